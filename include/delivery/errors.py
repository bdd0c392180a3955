"""Errors of delivering a checkpoint to S3."""

from __future__ import annotations

from include.errors import ModelImportError


class StaleObjectsError(ModelImportError):
    """The prefix holds objects that are not part of the checkpoint."""

    def __init__(self, s3_uri: str, names: tuple[str, ...]) -> None:
        super().__init__(
            "The prefix holds objects that do not belong to this checkpoint, and Bedrock would import them",
            s3_uri,
            "the checkpoint's files and nothing else",
            ", ".join(names),
            "Delete them, or set another prefix.",
        )


class DeliveryIncompleteError(ModelImportError):
    """Objects are missing after an upload."""

    def __init__(self, s3_uri: str, names: tuple[str, ...]) -> None:
        super().__init__(
            "Objects are missing after the upload",
            s3_uri,
            ", ".join(names),
            "nothing under these names",
            "They were deleted in the meantime: run the upload again.",
        )


class DeliveryDiffersError(ModelImportError):
    """The objects in S3 are not what was sent."""

    def __init__(self, s3_uri: str, expected: str, found: str) -> None:
        super().__init__(
            "An object in S3 is not what was delivered",
            s3_uri,
            expected,
            found,
            "Find out who else writes to this prefix, then run the upload again.",
        )


class ChecksumMismatchError(ModelImportError):
    """The bytes read from a source differ from the checksum in the checkpoint."""

    def __init__(self, name: str, expected: str, found: str) -> None:
        super().__init__(
            "A file's content is not what was prepared",
            name,
            f"CRC64NVME {expected}",
            f"CRC64NVME {found}",
            "A source changed or its disk is faulty: start the run again from its first task.",
        )


class ManifestInsidePrefixError(ModelImportError):
    """The manifest's key is inside the prefix that Bedrock imports."""

    def __init__(self, manifest_key: str, prefix: str) -> None:
        super().__init__(
            "The manifest must not be inside the prefix that is imported",
            manifest_key,
            f"a key outside {prefix}",
            remedy="Choose a key beside the prefix.",
        )


class ManifestUnreadableError(ModelImportError):
    """The object at the manifest's key is not a manifest."""

    def __init__(self, s3_uri: str, found: str) -> None:
        super().__init__(
            "This is not a delivery's manifest",
            s3_uri,
            "the JSON that an upload writes",
            found,
            "Remove the object, then run the upload again.",
        )
