"""One class per defect of a checkpoint's files: the file, expected and found, and the remedy."""

from __future__ import annotations

from typing import ClassVar, Literal

from include.errors import ModelImportError
from include.service.limits import TRANSFORMERS

Severity = Literal["error", "warning"]
NORMALISE = "Normalise the model: python -m include.checkpoint normalise --source DIR --out DIR."
WRITE_AGAIN = "Save or copy this file again; it was cut short, edited or damaged."


class Defect(ModelImportError):
    """A defect of one file. Validation collects defects; readers that cannot continue raise them."""

    severity: ClassVar[Severity] = "error"
    summary: ClassVar[str] = "The checkpoint is damaged"
    cure: ClassVar[str] = WRITE_AGAIN

    def __init__(self, file: str, expected: str, found: str) -> None:
        super().__init__(self.summary, _short(file), _short(expected), _short(found), self.cure)


def _short(text: str, limit: int = 500) -> str:
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


class JsonInvalidError(Defect):
    summary = "The file is not a JSON object"


class TextInvalidError(Defect):
    summary = "The file is not text"


class TextEncodingError(Defect):
    summary = f"{TRANSFORMERS} reads this file as UTF-8 without a byte order mark only"
    cure = NORMALISE


class GitLfsPointerError(Defect):
    summary = "The file is a git-lfs pointer: its content was not downloaded"
    cure = "Run git lfs pull in the folder that was cloned, or download the file again."


class HtmlPageError(Defect):
    summary = "The file is a web page: an error or a log-in was downloaded in its place"
    cure = "Download the file again, with the access that it needs."


class ConfigMissingError(Defect):
    summary = "There is no config.json"
    cure = "Give the folder that holds config.json, or save the model with save_pretrained."


class WeightsMissingError(Defect):
    summary = "There are no safetensors weights"
    cure = "Give the folder with the weights; python -m include.checkpoint convert converts pytorch_model*.bin."


class IndexMissingError(Defect):
    summary = "Several shards, or one of another name, and no index"
    cure = NORMALISE


class IndexInvalidError(Defect):
    summary = "The index is not a map of tensors to shards"
    cure = "Save the model again, so that its index is rewritten."


class IndexStaleError(Defect):
    summary = "The index does not belong to these weights"
    cure = "Remove model.safetensors.index.json, or the weights of the other run."


class ShardMissingError(Defect):
    summary = "The index names a shard that is not here"
    cure = "Copy the missing shard from where the model was saved."


class ShardNotIndexedError(Defect):
    summary = "A shard is not named by the index"
    cure = f"Remove the shard, which belongs to another run of saving. {NORMALISE}"


class TensorNotInShardError(Defect):
    summary = "The index names a tensor that its shard does not hold"
    cure = "Save the model again; index and shards are from two runs."


class TensorNotIndexedError(Defect):
    summary = "A shard holds a tensor that the index does not name"
    cure = "Save the model again; index and shards are from two runs."


class IndexSizeWarning(Defect):
    severity = "warning"
    summary = "The index gives another size than the tensors have"
    cure = "Save the model again, unless you know why."


class WeightsFormatError(Defect):
    summary = f"{TRANSFORMERS} does not load a safetensors file whose metadata names no PyTorch format"
    cure = NORMALISE


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
    summary = "A tensor's offsets are not inside the file's data"


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
