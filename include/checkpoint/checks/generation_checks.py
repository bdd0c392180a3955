"""Whether the generation settings are what Bedrock's transformers loads, and end where the tokenizer does."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from include.checkpoint.checks import model_defects as defects
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.json_files import format_json, read_json_if_any
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.service.limits import load_limits

GENERATION = "generation_config.json"
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


def generation_defects(
    checkpoint: Checkpoint, config: Mapping[str, Any], rows: int | None, end_id: int | None, reader: RangeReader
) -> Iterator[Defect]:
    """Defects of generation_config.json; ``rows`` are the embedding's, ``end_id`` is the tokenizer's end token."""
    try:
        generation = read_json_if_any(checkpoint, GENERATION, reader)
    except Defect as defect:
        yield defect
        return
    if GENERATION in checkpoint.names():
        yield from _load_defects(generation)
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
                if rows is not None and not -1 <= number < rows:
                    yield defects.SpecialIdOutOfRangeError(where, f"{name} below {rows}", f"{number}")
    if ends and end_id is not None and end_id not in ends:
        yield defects.EndTokenMismatchWarning(GENERATION, f"eos_token_id {end_id}, the tokenizer's", f"{sorted(ends)}")


def _load_defects(generation: Mapping[str, Any]) -> Iterator[Defect]:
    """Load the settings as from_pretrained() of the model does, which lets through what this raises."""
    from transformers import GenerationConfig

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        (Path(folder) / GENERATION).write_bytes(format_json(generation))
        try:
            GenerationConfig.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # whatever transformers raises for such values, they are unusable
            found = f"{type(error).__name__}: {error}"
            yield defects.GenerationConfigUnusableError(GENERATION, "values that make a GenerationConfig", found)
            return
    for warning in warned:
        yield defects.GenerationConfigWarning(GENERATION, "values that go together", str(warning.message))


def _ids(value: Any) -> set[int]:
    values = value if isinstance(value, list) else [value]
    return {number for number in values if type(number) is int}
