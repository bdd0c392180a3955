"""Whether the tokenizer is what Bedrock and its transformers load, with ids that the model has rows for."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.checkpoint.checks import model_defects as defects
from include.checkpoint.checks import tokenizer_trial
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.folder import TOKENIZER_FILES
from include.checkpoint.files.git_lfs import POINTER, refuse_git_lfs_pointer
from include.checkpoint.files.json_files import MAX_JSON_BYTES, other_encodings, read_json, read_text
from include.checkpoint.files.reading import RangeReader, read
from include.checkpoint.files.segments import Checkpoint
from include.limited_process import Limits, run_limited

CONFIG = "tokenizer_config.json"
VOCABULARIES = ({"tokenizer.json"}, {"tokenizer.model"}, {"spiece.model"}, {"vocab.json", "merges.txt"})
# The largest tokenizers take some hundred MB and a second.
TRIAL = Limits(seconds=10, memory_bytes=4 * 2**30, output_bytes=2**20)
_TOKEN_FILES = ("added_tokens.json", "tokenizer.json", "special_tokens_map.json")


@dataclass(frozen=True)
class Tokenizer:
    """What Bedrock's transformers made of the tokenizer's files; empty where it could not load them."""

    ids: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    end_id: int | None = None


def examine_tokenizer(
    checkpoint: Checkpoint, config: Mapping[str, Any], reader: RangeReader, classes: tuple[str, ...]
) -> tuple[Tokenizer, list[Defect]]:
    """Load the tokenizer of a model with this ``config``; return it with the defects of its files."""
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
            refuse_git_lfs_pointer(name, read(file, 0, len(POINTER), reader))
            value = read_json(file, reader) if name.endswith(".json") else {}
            problems += _config_defects(value, classes) if name == CONFIG else []
        except Defect as defect:
            problems.append(defect)
    if problems:
        return Tokenizer(), problems
    try:
        return _load(checkpoint, config, reader), []
    except defects.TokenizerUnusableError as defect:
        return Tokenizer(), [defect]
    except Exception as error:  # whatever transformers and tokenizers raise, it does not load
        found = f"{type(error).__name__}: {error}"
        return Tokenizer(), [defects.TokenizerUnusableError(CONFIG, "files that load", found)]


def id_defects(checkpoint: Checkpoint, tokenizer: Tokenizer, rows: int | None, reader: RangeReader) -> Iterator[Defect]:
    """TokenIdOutOfRangeError when the embedding has no row for a token."""
    beyond = {token: number for token, number in tokenizer.ids.items() if rows is not None and number >= rows}
    if beyond:
        token, number = max(beyond.items(), key=lambda item: item[1])
        more = f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
        file = _file_of(token, checkpoint, reader)
        yield defects.TokenIdOutOfRangeError(file, f"ids below {rows}", f"{token} = {number}{more}")


def _config_defects(config: Mapping[str, Any], classes: tuple[str, ...]) -> Iterator[Defect]:
    named = config.get("tokenizer_class")
    if named is not None and named not in classes:
        yield defects.TokenizerClassError(CONFIG, f"tokenizer_class one of {', '.join(classes)}", repr(named))
    if isinstance(config.get("extra_special_tokens"), list):
        found = f"extra_special_tokens = {config['extra_special_tokens']}"
        yield defects.SpecialTokensListError(CONFIG, "additional_special_tokens for a list", found)


def _load(checkpoint: Checkpoint, config: Mapping[str, Any], reader: RangeReader) -> Tokenizer:
    from transformers import AutoConfig, AutoTokenizer, PretrainedConfig

    others = other_encodings(checkpoint, reader)
    with tempfile.TemporaryDirectory() as folder:
        for file in checkpoint.files:
            if file.name in TOKENIZER_FILES and file.size <= MAX_JSON_BYTES:
                # An encoding that is not loaded is a defect by itself; the others are looked for all the same.
                is_other = file.name in others
                data = read_text(file, reader).encode() if is_other else read(file, 0, file.size, reader)
                (Path(folder) / file.name).write_bytes(data)
        _refuse_harmful(folder)
        model_type = str(config.get("model_type", ""))
        known = AutoConfig.for_model(model_type) if model_type else PretrainedConfig()
        loaded = AutoTokenizer.from_pretrained(folder, config=known, local_files_only=True, trust_remote_code=False)
        return Tokenizer(dict(loaded.get_vocab()), dict(loaded.special_tokens_map), loaded.eos_token_id)


def _refuse_harmful(folder: str) -> None:
    """Raise TokenizerUnusableError where tokenizer.json would end this process, or fill its memory."""
    if not (Path(folder) / "tokenizer.json").exists():
        return
    with tempfile.TemporaryFile() as output:
        problem = run_limited(tokenizer_trial.__file__, json.dumps({"folder": folder}).encode(), output, TRIAL)
    if problem:
        expected = f"a file that loads within {TRIAL.memory_bytes // 2**30} GiB and {TRIAL.seconds} s"
        raise defects.TokenizerUnusableError("tokenizer.json", expected, problem)


def _file_of(token: str, checkpoint: Checkpoint, reader: RangeReader) -> str:
    """The file that the token is from."""
    files = (name for name in _TOKEN_FILES if name in checkpoint.names())
    return next((name for name in files if token in read_text(checkpoint.file(name), reader)), CONFIG)
