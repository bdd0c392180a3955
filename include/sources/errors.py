"""Errors about where a model comes from."""

from __future__ import annotations

from include.errors import ModelImportError

ACCEPTED_FORMS = (
    "a folder's path, s3://bucket/prefix, sagemaker:training-job/NAME, sagemaker:model/NAME, "
    "or the ARN of a SageMaker training job, model or model package"
)


class SourceSpecInvalidError(ModelImportError):
    """A source's text has none of the accepted forms."""

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


class SourceEmptyError(ModelImportError):
    """A source holds no file of a checkpoint."""

    def __init__(self, uri: str, found: str) -> None:
        super().__init__(
            "There is no checkpoint in this source",
            uri,
            "*.safetensors, *.json and a tokenizer",
            found,
            "Point to the folder that holds config.json, params.json or adapter_config.json.",
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


class S3RequestError(ModelImportError):
    """S3 refused a request, or went on failing."""

    def __init__(self, s3_uri: str, operation: str, code: str, message: str, remedy: str) -> None:
        super().__init__(f"S3 did not do {operation}", s3_uri, found=f"{code}: {message}", remedy=remedy)
        self.code = code
