"""Errors of reading a model's source."""

from __future__ import annotations

from include.errors import ModelImportError

ACCEPTED_FORMS = (
    "a folder's path, s3://bucket/prefix, sagemaker:training-job/NAME, sagemaker:model/NAME, "
    "or the ARN of a SageMaker training job, model or model package"
)


class SourceSpecInvalidError(ModelImportError):
    """The location of a source has none of the accepted forms."""

    def __init__(self, spec: str) -> None:
        super().__init__("This is not a model's source", repr(spec), ACCEPTED_FORMS, remedy="Correct the source.")


class SourceFolderMissingError(ModelImportError):
    """A source folder does not exist."""

    def __init__(self, path: str) -> None:
        super().__init__(
            "The source folder does not exist",
            path,
            ACCEPTED_FORMS,
            remedy="Correct the path, or check that this worker sees the folder.",
        )


class SourceIsFileError(ModelImportError):
    """A source is a file, where a folder is needed."""

    def __init__(self, path: str) -> None:
        super().__init__("The source is a file", path, "a folder", remedy="Give the folder that holds the model.")


class HubModelNotDownloadedError(ModelImportError):
    """A source is the name of a model on the Hugging Face Hub, from which nothing is read."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "There is no such folder, and models are not read from the Hugging Face Hub",
            name,
            ACCEPTED_FORMS,
            remedy=f"Download it first, for example with: hf download {name} --local-dir {name}",
        )


class SourceEmptyError(ModelImportError):
    """A source holds no checkpoint file."""

    def __init__(self, uri: str, found: str) -> None:
        super().__init__(
            "There is no checkpoint in this source",
            uri,
            "*.safetensors, *.json and a tokenizer",
            found,
            "Point to the folder that holds config.json, params.json or adapter_config.json.",
        )


class SourceTooManyFilesError(ModelImportError):
    """A source holds far more files than a model."""

    def __init__(self, uri: str, limit: int) -> None:
        super().__init__(
            "There are too many files in this source",
            uri,
            f"at most {limit:,} files and folders",
            "more",
            "Point to the folder that holds config.json, params.json or adapter_config.json.",
        )


class SourceArchivedError(ModelImportError):
    """An object is in an archive storage class and must be restored before it can be read."""

    def __init__(self, uri: str, storage_class: str) -> None:
        super().__init__(
            "A file of this source is archived",
            uri,
            "an object that can be read, or a restored copy of it",
            f"storage class {storage_class}",
            "Restore it (aws s3api restore-object), and run again when the copy is there.",
        )


class SourceLinkError(ModelImportError):
    """A file of a checkpoint is a link out of its folder."""

    def __init__(self, path: str) -> None:
        super().__init__(
            "A file of this source is a link that leaves it",
            path,
            "files, or links to other files of the same source",
            "a link to a file outside",
            "Copy the files themselves (cp -rL), or download the model with --local-dir.",
        )


class SourceFileChangedError(ModelImportError):
    """A file changed while it was read."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__(
            "A source file changed while it was read",
            path,
            expected,
            found,
            "Wait until it is written, then run again.",
        )


class SourceAmbiguousError(ModelImportError):
    """A source holds several checkpoints and none is preferred."""

    def __init__(self, uri: str, folders: tuple[str, ...]) -> None:
        super().__init__(
            "There are several checkpoints in this source",
            uri,
            "one",
            ", ".join(folders),
            "Point to one of these folders.",
        )


class SageMakerRegionError(ModelImportError):
    """An ARN names another region than the connection's."""

    def __init__(self, name: str, region: str, client_region: str) -> None:
        super().__init__(
            "The source is in another region",
            name,
            f"region {client_region}",
            f"region {region}",
            "Use a connection of the source's region.",
        )


class SageMakerSourceError(ModelImportError):
    """SageMaker has no weights under this name."""

    def __init__(self, kind: str, name: str, found: str) -> None:
        super().__init__(
            f"The SageMaker {kind} cannot be a source",
            name,
            "a completed one with model data in S3",
            found,
            "Check the name, and wait until the job is done.",
        )


class ClientMissingError(ModelImportError):
    """A source in AWS needs a client that was not given."""

    def __init__(self, uri: str, service: str) -> None:
        super().__init__(f"No {service} client was given to reach this", uri, remedy=f"Pass a {service} client.")


class HostileArchiveError(ModelImportError):
    """An archive contains something that no model archive contains, such as a path outside its folder."""

    def __init__(self, uri: str, which: str, what: str) -> None:
        super().__init__(
            "The archive is refused",
            uri,
            "regular files with relative paths, of reasonable size",
            f"{which}: {what}",
            "If you trust it, unpack it yourself and point to the folder.",
        )


class ArchiveUnreadableError(ModelImportError):
    """An archive is broken."""

    def __init__(self, uri: str, found: str) -> None:
        super().__init__(
            "The archive cannot be read", uri, "a whole tar archive, plain or with gzip", found, "Write it again."
        )


class SourceDownloadError(ModelImportError):
    """A downloaded object does not have the checksum that S3 reports."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__(
            "An object arrived damaged", uri, f"CRC64NVME {expected}", f"CRC64NVME {found}", "Run the task again."
        )


class CacheFullError(ModelImportError):
    """The cache is full and no entry can be evicted."""

    def __init__(self, folder: str, limit: int, wanted: int, in_use: int, protected_seconds: float) -> None:
        super().__init__(
            "The cache of sources is full",
            folder,
            f"at most {limit} bytes, of which {in_use} entries cannot be removed: other runs may still read them",
            f"{wanted} bytes more",
            "Raise model_import_cache_gigabytes, or run again when the others are done: an entry that was not used for "
            f"{protected_seconds / 60:.0f} minutes makes room.",
        )
