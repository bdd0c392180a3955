"""Check that Bedrock's transformers loads the tokenizer, and that the embedding has a row for every id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from include.checkpoint.checks import model_defects as defects
from include.checkpoint.checks.transformers_process import SMALL, ask_transformers
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.folder import TOKENIZER_FILES
from include.checkpoint.files.json_files import read_json, read_text
from include.checkpoint.files.placeholders import POINTER, refuse_placeholder
from include.checkpoint.files.reading import RangeReader, read
from include.checkpoint.files.segments import Checkpoint

CONFIG = "tokenizer_config.json"
VOCABULARIES = ({"tokenizer.json"}, {"tokenizer.model"}, {"spiece.model"}, {"vocab.json", "merges.txt"})
_TOKEN_FILES = ("added_tokens.json", "tokenizer.json", "special_tokens_map.json")


@dataclass(frozen=True)
class Tokenizer:
    """The tokenizer as Bedrock's transformers loaded it; empty if it could not.

    ``beyond`` are the tokens that the embedding has no row for; ``ends_prompts``: each prompt ends with the end token.
    """

    beyond: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    end_id: int | None = None
    ends_prompts: bool = False


class ModelFacts(NamedTuple):
    """What a tokenizer has to fit: the model's type, the rows of its embedding, and the classes that Bedrock loads."""

    model_type: str
    rows: int | None
    tokenizer_classes: tuple[str, ...]


def examine_tokenizer(
    checkpoint: Checkpoint, folder: Path, model: ModelFacts, reader: RangeReader
) -> tuple[Tokenizer, list[Defect]]:
    """Load the tokenizer, whose files are in ``folder`` too; return it with its defects."""
    names = set(checkpoint.names())
    if not any(files <= names for files in VOCABULARIES):
        missing = defects.TokenizerMissingError("tokenizer.json", "tokenizer.json or tokenizer.model", "neither")
        return Tokenizer(), [missing]
    if CONFIG not in names:
        return Tokenizer(), [defects.TokenizerConfigMissingError(CONFIG, "a file of this name", "none")]
    problems: list[Defect] = []
    for name in (name for name in TOKENIZER_FILES if name in names):
        try:
            file = checkpoint.file(name)
            refuse_placeholder(name, read(file, 0, len(POINTER), reader))
            value = read_json(file, reader) if name.endswith(".json") else {}
            problems += _config_defects(value, model.tokenizer_classes) if name == CONFIG else []
        except Defect as defect:
            problems.append(defect)
    if problems:
        return Tokenizer(), problems
    # The library tokenizers trusts the file: a damaged one ends the process or makes its tokens endlessly long.
    job = {"folder": str(folder), "model_type": model.model_type, "rows": model.rows}
    values, ended = ask_transformers("tokenizer", SMALL, **job)
    found = values[0] if values else {}
    if ended or "problem" in found:
        problem = ended or found["problem"]
        return Tokenizer(), [defects.TokenizerUnusableError(CONFIG, "files that load", problem)]
    tokenizer = Tokenizer(**found)
    return tokenizer, list(_loaded_defects(checkpoint, tokenizer, model.rows, reader))


def _loaded_defects(
    checkpoint: Checkpoint, tokenizer: Tokenizer, rows: int | None, reader: RangeReader
) -> Iterator[Defect]:
    if beyond := tokenizer.beyond:
        token, number = max(beyond.items(), key=lambda item: item[1])
        more = f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
        file = _file_of(token, checkpoint, reader)
        yield defects.TokenIdOutOfRangeError(file, f"ids below {rows}", f"{token} = {number}{more}")
    if tokenizer.ends_prompts:
        token = tokenizer.tokens.get("eos_token", "the end token")
        yield defects.TokenizerEndsPromptsError(CONFIG, "prompts without an end", f"{token} at the end of each")


def _config_defects(config: Mapping[str, Any], classes: tuple[str, ...]) -> Iterator[Defect]:
    named = config.get("tokenizer_class")
    if named is not None and named not in classes:
        yield defects.TokenizerClassError(CONFIG, f"tokenizer_class one of {', '.join(classes)}", repr(named))
    if isinstance(config.get("extra_special_tokens"), list):
        found = f"extra_special_tokens = {config['extra_special_tokens']}"
        yield defects.SpecialTokensListError(CONFIG, "additional_special_tokens for a list", found)


def _file_of(token: str, checkpoint: Checkpoint, reader: RangeReader) -> str:
    """Return the file that defines the token."""
    files = (name for name in _TOKEN_FILES if name in checkpoint.names())
    return next((name for name in files if token in read_text(checkpoint.file(name), reader)), CONFIG)
