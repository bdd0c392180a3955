"""Check that Bedrock's transformers loads the generation settings, and that their end token is the tokenizer's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from include.checkpoint.checks import model_defects as defects
from include.checkpoint.checks.transformers_process import ask_transformers
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.json_files import read_json_if_any
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.service.limits import load_limits

GENERATION = "generation_config.json"
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


class TokenIds(NamedTuple):
    """The rows of the embedding and the id of the tokenizer's end token, where they are known."""

    rows: int | None
    end_id: int | None


def generation_defects(
    checkpoint: Checkpoint, folder: Path, config: Mapping[str, Any], tokens: TokenIds, reader: RangeReader
) -> Iterator[Defect]:
    """Defects of generation_config.json, which is in ``folder`` too."""
    try:
        generation = read_json_if_any(checkpoint, GENERATION, reader)
    except Defect as defect:
        yield defect
        return
    if GENERATION in checkpoint.names():
        yield from _load_defects(folder)
    else:
        yield defects.GenerationConfigMissingWarning(GENERATION, "a file of this name", "none")
    ends = _ids(generation.get("eos_token_id", config.get("eos_token_id")))
    documented = load_limits().end_tokens.by_model_type.get(str(config.get("model_type")), ())
    if ends and not ends >= set(documented):
        yield defects.EndTokensIncompleteWarning(GENERATION, f"eos_token_id {list(documented)}", f"{sorted(ends)}")
    if not ends:
        yield defects.EndTokenMissingWarning(GENERATION, "eos_token_id", "none")
    for where, fields in ((GENERATION, generation), ("config.json", config)):
        for name in _IDS:
            for number in _ids(fields.get(name)):
                if tokens.rows is not None and not -1 <= number < tokens.rows:
                    yield defects.SpecialIdOutOfRangeError(where, f"{name} below {tokens.rows}", f"{number}")
    if ends and tokens.end_id is not None and tokens.end_id not in ends:
        expected = f"eos_token_id {tokens.end_id}, the tokenizer's"
        yield defects.EndTokenMismatchWarning(GENERATION, expected, f"{sorted(ends)}")


def _load_defects(folder: Path) -> Iterator[Defect]:
    values, ended = ask_transformers("generation", folder=str(folder))
    found = values[0] if values else {}
    if ended or "problem" in found:
        expected = "values that make a GenerationConfig"
        yield defects.GenerationConfigUnusableError(GENERATION, expected, ended or found["problem"])
        return
    if found["refused"]:
        expected = "values that generate() takes"
        yield defects.GenerationSettingsRefusedError(GENERATION, expected, found["refused"])
    for warning in found["warnings"]:
        yield defects.GenerationConfigWarning(GENERATION, "values that go together", warning)


def _ids(value: Any) -> set[int]:
    values = value if isinstance(value, list) else [value]
    return {number for number in values if type(number) is int}
