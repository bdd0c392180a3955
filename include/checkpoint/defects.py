"""One class per defect of a checkpoint's files: which file, what was expected and found, what to do about it."""

from __future__ import annotations

from typing import ClassVar, Literal

from include.errors import ModelImportError

Severity = Literal["error", "warning"]
WRITE_AGAIN = "Save or copy this file again; it was cut short, edited or damaged."


class Defect(ModelImportError):
    """A defect of one file. Validation collects defects; readers that cannot go on raise them."""

    severity: ClassVar[Severity] = "error"
    summary: ClassVar[str] = "The checkpoint is damaged"
    cure: ClassVar[str] = WRITE_AGAIN

    def __init__(self, file: str, expected: str, found: str) -> None:
        super().__init__(self.summary, _short(file), _short(expected), _short(found), self.cure)


def _short(text: str, limit: int = 500) -> str:
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


class HeaderTruncatedError(Defect):
    summary = "The safetensors header is cut short"


class HeaderTooLargeError(Defect):
    summary = "The safetensors header is larger than any model needs"


class HeaderNotJsonError(Defect):
    summary = "The safetensors header is not a JSON object"


class TensorDuplicatedError(Defect):
    summary = "A tensor appears twice"
    cure = "Save the model again, so that every tensor is written once."


class TensorEntryInvalidError(Defect):
    summary = "A tensor's entry in the safetensors header is not valid"


class TensorDtypeUnknownError(Defect):
    summary = "A tensor has a dtype that safetensors does not know"


class TensorOffsetsError(Defect):
    summary = "A tensor's offsets do not lie inside the file's data"


class TensorSizeMismatchError(Defect):
    summary = "A tensor's bytes do not match its shape and dtype"


class TensorOverlapError(Defect):
    summary = "Two tensors overlap in the file"


class TensorHoleError(Defect):
    summary = "The file holds bytes that belong to no tensor"


class ShardTruncatedError(Defect):
    summary = "The file is shorter than its header says"
    cure = "Copy or download this file again; the transfer was cut off."


class ShardTrailingBytesError(Defect):
    summary = "The file is longer than its header says"


class JsonInvalidError(Defect):
    summary = "The file is not a JSON object"
