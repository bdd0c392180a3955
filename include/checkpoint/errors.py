"""Errors about sources and the disk; defects of checkpoints are in ``defects``."""

from __future__ import annotations

from include.errors import ModelImportError


class SourceChangedError(ModelImportError):
    """A file has changed since it was pinned."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__("A source changed after it was read", uri, expected, found, "Start the run again.")


class SourceUnreadableError(ModelImportError):
    """A file or object cannot be read."""

    def __init__(self, uri: str, found: str) -> None:
        super().__init__(
            "A source cannot be read",
            uri,
            "a readable file or object",
            found,
            "Check its name and permissions.",
        )


class SourceTruncatedError(ModelImportError):
    """A range reaches past the end of its file."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__("A source is shorter than it should be", uri, expected, found, "Fetch or write it again.")


class S3ClientMissingError(ModelImportError):
    """An s3:// URI was given to a reader without an S3 client."""

    def __init__(self, uri: str) -> None:
        super().__init__("No S3 client was given to read this", uri, remedy="Pass an S3 client to UriReader.")


class FileNotInCheckpointError(ModelImportError):
    """The checkpoint does not have the requested file."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__("The checkpoint has no such file", name, found=found)


class SourceEmptyError(ModelImportError):
    """A folder or prefix holds no file."""

    def __init__(self, location: str) -> None:
        super().__init__("There is no file here", location, remedy="Check the path or the prefix.")


class DiskFullError(ModelImportError):
    """The disk has too little space for what is about to be written."""

    def __init__(self, folder: str, wanted: int, free: int) -> None:
        super().__init__(
            "Not enough disk space",
            folder,
            f"{wanted:,} bytes free",
            f"{free:,}",
            "Free space or use another folder.",
        )


class DiskFilledError(ModelImportError):
    """A disk or quota became full during a write."""

    def __init__(self, folder: str, free: int) -> None:
        super().__init__(
            "The disk is full",
            folder,
            "room for what is written there",
            f"{free:,} bytes free",
            "Free space or use another folder; what was half written is gone.",
        )


class OverlayInUseError(ModelImportError):
    """Another process is writing the same overlay."""

    def __init__(self, path: str) -> None:
        super().__init__("Another run is writing this file now", path, remedy="Wait for it, or use another folder.")


class OutputExistsError(ModelImportError):
    """The output folder exists already."""

    def __init__(self, path: str) -> None:
        super().__init__("The output folder exists already", path, remedy="Name a new folder, or remove this one.")


class OutputDamagedError(ModelImportError):
    """The written data is not what was computed."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__("The copy is not complete", path, expected, found, "Check the disk and run again.")


class AdapterConfigError(ModelImportError):
    """adapter_config.json is invalid or lacks a required field."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(
            "The adapter's configuration cannot be used", path, found=found, remedy="Save the adapter again."
        )


class AdapterWeightsMissingError(ModelImportError):
    """An adapter folder without weights."""

    def __init__(self, folder: str, expected: str) -> None:
        super().__init__("The adapter has no weights", folder, expected, remedy="Save the adapter again.")


class AdapterRefusedError(ModelImportError):
    """An adapter of a kind that cannot be merged, or not exactly."""

    def __init__(self, which: str, found: str, remedy: str) -> None:
        super().__init__("This adapter cannot be merged", which, found=found, remedy=remedy)


class AdapterBaseMismatchError(ModelImportError):
    """An adapter made for another base model."""

    def __init__(self, which: str, expected: str, found: str) -> None:
        super().__init__(
            "The adapter does not fit this base model", which, expected, found, "Use the base model it was trained on."
        )


class AdapterEmptyError(ModelImportError):
    """An adapter that changes nothing."""

    def __init__(self, which: str, found: str) -> None:
        super().__init__(
            "The adapter changes nothing",
            which,
            "at least one changed weight",
            found,
            "Check its training and saving.",
        )


class QuantizedBaseError(ModelImportError):
    """A merge into quantized weights."""

    def __init__(self, which: str, found: str, wanted: str) -> None:
        super().__init__(
            "The base model is quantized",
            which,
            "F32, F16 or BF16 weights",
            found,
            f"Use the 16-bit base: {wanted}.",
        )


class MergeUnprovenError(ModelImportError):
    """The written tensors are not base + delta."""

    def __init__(self, tensor: str, expected: str, found: str) -> None:
        super().__init__("The merged tensor is not right", tensor, expected, found, "Check the machine, merge again.")


class NonFiniteError(ModelImportError):
    """A merged tensor holds NaN or infinity."""

    def __init__(self, tensor: str, found: str) -> None:
        super().__init__(
            "The merged tensor is not finite",
            tensor,
            "finite numbers",
            found,
            "Adapter or base is broken.",
        )


class RawParamsError(ModelImportError):
    """params.json cannot be used."""

    def __init__(self, which: str, found: str) -> None:
        super().__init__("Mistral's parameters are unusable", which, found=found, remedy="Fetch params.json again.")


class RawVariantError(ModelImportError):
    """A raw Mistral model of a kind that Bedrock does not import."""

    def __init__(self, which: str, found: str) -> None:
        super().__init__("This kind of Mistral model cannot be converted", which, "a plain Mistral or Mixtral", found)


class RawTensorError(ModelImportError):
    """A tensor of a raw checkpoint contradicts params.json."""

    def __init__(self, which: str, expected: str, found: str) -> None:
        super().__init__("A tensor does not fit Mistral's layout", which, expected, found, "Fetch the weights again.")


class RawFilesMissingError(ModelImportError):
    """A raw checkpoint lacks a file."""

    def __init__(self, folder: str, expected: str) -> None:
        super().__init__("A file of the raw checkpoint is missing", folder, expected, "none", "Fetch the whole folder.")


class PickleRefusedError(ModelImportError):
    """A pickled file that is not a plain set of contiguous tensors."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(
            "This pickled file is not read",
            path,
            "a zip by torch.save, with tensors only",
            found,
            "Load it where you trust it and save it as safetensors.",
        )


class RawTokenizerError(ModelImportError):
    """A raw checkpoint's tokenizer cannot be read."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__("The tokenizer cannot be converted", path, found=found, remedy="Fetch this file again.")


class SourceUnrecognisedError(ModelImportError):
    """A folder in none of the layouts that this project reads."""

    def __init__(self, location: str, found: str, remedy: str = "") -> None:
        super().__init__(
            "No model was recognised here",
            location,
            "config.json with *.safetensors, params.json with consolidated.*, or adapter_config.json",
            found,
            remedy or "Give the folder that itself holds config.json, params.json or adapter_config.json.",
        )


class LayoutMismatchError(ModelImportError):
    """A folder with a model or adapter in another layout than the command takes."""

    def __init__(self, location: str, expected: str, found: str, remedy: str) -> None:
        super().__init__("This command does not take such a folder", location, expected, found, remedy)


class CheckpointInvalidError(ModelImportError):
    """A checkpoint with defects that Bedrock would reject or misread."""

    def __init__(self, summary: str, defects: str) -> None:
        super().__init__("The checkpoint has defects", summary, found=defects)


class MemoryShortError(ModelImportError):
    """There is too little memory for what is about to be loaded."""

    def __init__(self, doing: str, wanted: int, free: int) -> None:
        super().__init__("Not enough memory", doing, f"{wanted:,} bytes free", f"{free:,}", "Use a larger machine.")
