"""Whether tokenizer, chat template and generation settings are what transformers 4.51.3 and Bedrock load."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from include.checkpoint import model_defects as defects
from include.checkpoint.defects import Defect
from include.checkpoint.folder import TOKENIZER_FILES
from include.checkpoint.json_files import MAX_JSON_BYTES, read_json
from include.checkpoint.reading import RangeReader, read
from include.checkpoint.segments import Checkpoint

CONFIG = "tokenizer_config.json"
GENERATION = "generation_config.json"
VOCABULARIES = ({"tokenizer.json"}, {"tokenizer.model"}, {"spiece.model"}, {"vocab.json", "merges.txt"})
TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")


def tokenizer_defects(
    checkpoint: Checkpoint, config: Mapping[str, Any], reader: RangeReader, classes: tuple[str, ...]
) -> Iterator[Defect]:
    """Defects of the tokenizer's files, by themselves and against the vocabulary of ``config``."""
    names = set(checkpoint.names())
    if not any(files <= names for files in VOCABULARIES):
        yield defects.TokenizerMissingError("tokenizer.json", "tokenizer.json or tokenizer.model", "neither")
        return
    if CONFIG not in names:
        yield defects.TokenizerConfigMissingError(CONFIG, "a file of this name", "none")
        return
    files: dict[str, dict[str, Any]] = {}
    for name in (CONFIG, GENERATION, "tokenizer.json", "special_tokens_map.json"):
        if name in names:
            try:
                files[name] = read_json(checkpoint.file(name), reader)
            except Defect as defect:
                yield defect
                if name != GENERATION:
                    return
    found = list(_config_defects(files[CONFIG], classes))
    yield from found or _load_defects(checkpoint, config, reader)
    yield from _template_defects(checkpoint, files[CONFIG], reader)
    yield from _id_defects(files, config)
    yield from _generation_defects(files, config, checkpoint)


def _config_defects(config: Mapping[str, Any], classes: tuple[str, ...]) -> Iterator[Defect]:
    named = config.get("tokenizer_class")
    if named is not None and named not in classes:
        yield defects.TokenizerClassError(CONFIG, f"tokenizer_class one of {', '.join(classes)}", repr(named))
    if isinstance(config.get("extra_special_tokens"), list):
        found = f"extra_special_tokens = {config['extra_special_tokens']}"
        yield defects.SpecialTokensListError(CONFIG, "additional_special_tokens for a list", found)


def _load_defects(checkpoint: Checkpoint, config: Mapping[str, Any], reader: RangeReader) -> Iterator[Defect]:
    from transformers import AutoConfig, AutoTokenizer, PretrainedConfig

    with tempfile.TemporaryDirectory() as folder:
        for file in checkpoint.files:
            if file.name in TOKENIZER_FILES and file.size <= MAX_JSON_BYTES:
                (Path(folder) / file.name).write_bytes(read(file, 0, file.size, reader))
        try:
            model_type = str(config.get("model_type", ""))
            known = AutoConfig.for_model(model_type) if model_type else PretrainedConfig()
            AutoTokenizer.from_pretrained(folder, config=known, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # whatever transformers and tokenizers raise, it does not load
            yield defects.TokenizerUnusableError(CONFIG, "files that load", f"{type(error).__name__}: {error}")


def _template_defects(checkpoint: Checkpoint, config: Mapping[str, Any], reader: RangeReader) -> Iterator[Defect]:
    outside = [name for name in TEMPLATE_FILES if name in checkpoint.names()]
    inside = config.get("chat_template")
    if not inside and not outside:
        yield defects.ChatTemplateMissingWarning(CONFIG, "chat_template", "none")
    if outside and not inside:
        yield defects.ChatTemplateOutsideWarning(outside[0], f"chat_template in {CONFIG}", "this file")
    templates = [(CONFIG, text) for text in _template_texts(inside)]
    if "chat_template.jinja" in outside:
        file = checkpoint.file("chat_template.jinja")
        templates.append((file.name, read(file, 0, file.size, reader).decode(errors="replace")))
    for name, text in templates:
        if error := _syntax_error(text):
            yield defects.ChatTemplateInvalidError(name, "a Jinja template", error)


def _template_texts(template: Any) -> list[str]:
    if isinstance(template, list):
        return [str(item.get("template")) for item in template if isinstance(item, dict)]
    return [template] if isinstance(template, str) else []


def _syntax_error(text: str) -> str | None:
    import jinja2
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        _compile_jinja_template(text)
    except (jinja2.TemplateError, RecursionError) as error:
        return f"{error} (line {getattr(error, 'lineno', '?')})"
    return None


def _id_defects(files: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any]) -> Iterator[Defect]:
    size = config.get("vocab_size")
    if not isinstance(size, int) or "tokenizer.json" not in files:
        return
    highest = max(_token_ids(files["tokenizer.json"]), default=-1)
    if highest >= size:
        yield defects.TokenIdOutOfRangeError("tokenizer.json", f"ids below vocab_size = {size}", f"{highest}")


def _token_ids(tokenizer: Mapping[str, Any]) -> Iterator[int]:
    model = tokenizer.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        yield from (number for number in vocabulary.values() if isinstance(number, int))
    elif isinstance(vocabulary, list):
        yield len(vocabulary) - 1
    added = tokenizer.get("added_tokens")
    for token in added if isinstance(added, list) else ():
        if isinstance(token, dict) and isinstance(token.get("id"), int):
            yield token["id"]


def _generation_defects(
    files: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any], checkpoint: Checkpoint
) -> Iterator[Defect]:
    if GENERATION not in checkpoint.names():
        yield defects.GenerationConfigMissingWarning(GENERATION, "a file of this name", "none")
    generation = files.get(GENERATION, {})
    ends = _ids(generation.get("eos_token_id", config.get("eos_token_id")))
    if not ends:
        yield defects.EndTokenMissingWarning(GENERATION, "eos_token_id", "none")
    size = config.get("vocab_size")
    for where, fields in ((GENERATION, generation), ("config.json", config)):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            for number in _ids(fields.get(name)):
                if isinstance(size, int) and not -1 <= number < size:
                    yield defects.SpecialIdOutOfRangeError(where, f"{name} below vocab_size = {size}", f"{number}")
    said = _end_id(files)
    if ends and said is not None and said not in ends:
        yield defects.EndTokenMismatchWarning(GENERATION, f"eos_token_id {said}, the tokenizer's", f"{sorted(ends)}")


def _ids(value: Any) -> set[int]:
    values = value if isinstance(value, list) else [value]
    return {number for number in values if type(number) is int}


def _end_id(files: Mapping[str, Mapping[str, Any]]) -> int | None:
    """The id of the tokenizer's end token, as far as its JSON files say."""
    token = files[CONFIG].get("eos_token")
    text = token.get("content") if isinstance(token, dict) else token
    added = files.get("tokenizer.json", {}).get("added_tokens")
    for item in added if isinstance(added, list) else ():
        if isinstance(item, dict) and item.get("content") == text and isinstance(item.get("id"), int):
            return int(item["id"])
    return None
