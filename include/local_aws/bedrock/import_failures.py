"""Why an import job failed, one class per reason; the text of the error is the job's failureMessage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MAX_FAILURE_MESSAGE = 2048


class ImportFailedError(Exception):
    """The base: a job ends as Failed with the text of this error as its failureMessage."""

    def __str__(self) -> str:
        return super().__str__()[:MAX_FAILURE_MESSAGE]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args)


def _restore(cls: type[ImportFailedError], args: tuple[object, ...]) -> ImportFailedError:
    error = cls.__new__(cls)
    error.args = args
    return error


class ScriptedImportError(ImportFailedError):
    """A test made the next import fail, with this message."""


class RolePermissionError(ImportFailedError):
    """The service role may not do what the import needs."""

    def __init__(self, role_arn: str, action: str, resource: str) -> None:
        super().__init__(
            f"Amazon Bedrock, using the role {role_arn}, is not allowed to perform {action} on {resource}. "
            "Check the role's permissions and their conditions, and the bucket's policy."
        )


class UnevaluatedPolicyError(ImportFailedError):
    """A policy has a condition that the stand-in does not know."""


class BucketNotFoundError(ImportFailedError):
    """The bucket of the data source does not exist."""

    def __init__(self, bucket: str) -> None:
        super().__init__(f"The bucket {bucket} does not exist.")


class BucketRegionError(ImportFailedError):
    """The bucket is in another region than the job."""

    def __init__(self, bucket: str, found: str, expected: str) -> None:
        super().__init__(f"The bucket {bucket} is in {found}; it must be in {expected}, the region of the import job.")


class MissingFileError(ImportFailedError):
    """A file that every import needs is not under the prefix."""

    def __init__(self, name: str, s3_uri: str) -> None:
        super().__init__(f"Amazon Bedrock could not find the expected file {name} in {s3_uri}.")


class AdapterOnlyError(ImportFailedError):
    """The prefix holds a LoRA adapter, not a model."""

    def __init__(self, s3_uri: str) -> None:
        super().__init__(
            f"Amazon Bedrock could not find the expected file config.json in {s3_uri}: it holds an adapter. "
            "Merge the adapter into its base model and import the result."
        )


class ArchivedCheckpointError(ImportFailedError):
    """The prefix holds an archive."""

    def __init__(self, names: Sequence[str], s3_uri: str) -> None:
        super().__init__(f"Compressed model files are not supported: {', '.join(names)} in {s3_uri}. Upload the files.")


class NoSafetensorsError(ImportFailedError):
    """The weights are missing or in another format."""

    def __init__(self, s3_uri: str) -> None:
        super().__init__(f"No weights in the Safetensors format (*.safetensors) were found in {s3_uri}.")


class ModelTooLargeError(ImportFailedError):
    """The weights are larger than the service takes."""

    def __init__(self, found: int, limit: int) -> None:
        super().__init__(f"The model weights are {found} bytes in total; they must be smaller than {limit} bytes.")


class InvalidConfigError(ImportFailedError):
    """config.json cannot be read, or lacks what the service keys on."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The file config.json is invalid: {problem}.")


class UnsupportedArchitectureError(ImportFailedError):
    """The service does not run this architecture."""

    def __init__(self, found: str, supported: Sequence[str]) -> None:
        super().__init__(
            f"Amazon bedrock does not support the architecture ({found}) of the model that you are importing. "
            f"Try again with one of the following supported architectures: [{', '.join(supported)}]"
        )


class QuantizedCheckpointError(ImportFailedError):
    """The weights are quantized."""

    def __init__(self, method: str) -> None:
        super().__init__(
            f"config.json has a quantization_config ({method}); quantized models are not supported. "
            "Import the weights in FP32, FP16 or BF16."
        )


class ShardIndexError(ImportFailedError):
    """model.safetensors.index.json and the shards do not describe the same tensors."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"model.safetensors.index.json and the weight files do not agree: {problem}.")


class UnreadableWeightsError(ImportFailedError):
    """A weight file is not a whole safetensors file."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"The weight file {name} cannot be read: {problem}.")


class WeightsMismatchError(ImportFailedError):
    """The tensors are not those of the architecture."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The weights do not fit the model that config.json describes: {problem}")


class TokenizerError(ImportFailedError):
    """The tokenizer cannot be loaded, or is of a class that the service does not take."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The tokenizer cannot be loaded: {problem}")


class ModelLoadError(ImportFailedError):
    """transformers cannot load the model for another reason."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The model cannot be loaded: {problem}")
