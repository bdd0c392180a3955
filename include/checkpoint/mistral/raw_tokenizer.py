"""Convert the tokenizer of a raw Mistral model to files that Bedrock's transformers loads, with a chat template."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.checkpoint.errors import RawFilesMissingError, RawTokenizerError
from include.checkpoint.files.folder import TEKKEN, TOKENIZER_FILES, whole
from include.checkpoint.files.json_files import format_json, read_json
from include.checkpoint.files.reading import LOCAL
from include.checkpoint.mistral.tekken import tekken_tokenizer

TEMPLATES = Path(__file__).with_name("chat_templates")
_SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def tokenizer_files(folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """Return the tokenizer's files by name, and notes on their origin.

    A Hugging Face tokenizer in the folder is used as it is; else ``tekken.json`` or ``tokenizer.model*`` is
    converted. Raises RawFilesMissingError and RawTokenizerError.
    """
    if (folder / "tokenizer.json").is_file() and (folder / "tokenizer_config.json").is_file():
        found = [name for name in TOKENIZER_FILES if (folder / name).is_file()]
        return {name: (folder / name).read_bytes() for name in found}, [
            "The tokenizer is the folder's Hugging Face one."
        ]
    if (folder / TEKKEN).is_file():
        return files_of_tekken(read_json(whole(TEKKEN, LOCAL.pin(str(folder / TEKKEN)))))
    models = sorted(folder.glob("tokenizer.model*"), reverse=True)
    if not models:
        raise RawFilesMissingError(str(folder), "tokenizer.json, tekken.json or tokenizer.model")
    return _from_sentencepiece(models[0])


def files_of_tekken(raw: Mapping[str, Any]) -> tuple[dict[str, bytes], list[str]]:
    """Return the files of the tokenizer that a ``tekken.json`` describes, and a note; raises RawTokenizerError."""
    tokenizer, specials = tekken_tokenizer(raw)
    # Version 3 files list [SYSTEM_PROMPT] as well, and do not use it.
    template = "v7" if str(raw["config"].get("version", "v3")) not in ("v1", "v2", "v3") else "v3"
    config = _config("PreTrainedTokenizerFast", template) | ({"pad_token": "<pad>"} if "<pad>" in specials else {})
    return _files(tokenizer.to_str(), config), [_note(TEKKEN, template)]


def _from_sentencepiece(path: Path) -> tuple[dict[str, bytes], list[str]]:
    from transformers import LlamaTokenizerFast

    try:
        # A leading space before every piece of text between special tokens, as Mistral's own encoder has it.
        tokenizer = LlamaTokenizerFast(vocab_file=str(path), legacy=True, add_prefix_space=True)
    except Exception as error:  # sentencepiece and protobuf raise their own kinds for a damaged file
        raise RawTokenizerError(str(path), f"{type(error).__name__}: {error}") from error
    vocabulary = tokenizer.get_vocab()
    template = "v7" if "[SYSTEM_PROMPT]" in vocabulary else "v3" if "[INST]" in vocabulary else "v1"
    # add_prefix_space would make transformers rebuild tokenizer.json from tokenizer.model on every load.
    config = _config("LlamaTokenizer", template) | {"legacy": True}
    files = _files(tokenizer.backend_tokenizer.to_str(), config)
    return files | {"tokenizer.model": path.read_bytes()}, [_note(path.name, template)]


def _config(tokenizer_class: str, template: str) -> dict[str, Any]:
    return {
        **_SPECIALS,
        "add_bos_token": True,
        "add_eos_token": False,
        "chat_template": (TEMPLATES / f"{template}.jinja").read_text(),
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "tokenizer_class": tokenizer_class,
    }


def _files(tokenizer_json: str, config: Mapping[str, Any]) -> dict[str, bytes]:
    return {
        "tokenizer.json": tokenizer_json.encode(),
        "tokenizer_config.json": format_json(config),
        "special_tokens_map.json": format_json(_SPECIALS),
    }


def _note(name: str, template: str) -> str:
    return f"The tokenizer was converted from {name}, with Mistral's {template} chat template (without tools)."
