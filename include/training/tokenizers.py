"""The tokenizer that a model is trained with: the base's files, with the chosen chat template inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.checkpoint.files.folder import TOKENIZER_FILES, checkpoint_of_files
from include.checkpoint.files.json_files import format_json, read_json_if_any, read_text
from include.checkpoint.files.reading import LOCAL
from include.checkpoint.mistral.raw_tokenizer import TEMPLATES, tokenizer_files
from include.checkpoint.normalising import (
    TEMPLATE,
    TEMPLATE_JSON,
    TOKENIZER_CONFIG,
    normalise_tokenizer,
    separate_template,
)
from include.config.account import AccountConfig
from include.config.training import OWN_TEMPLATES
from include.errors import ModelImportError
from include.run.local_paths import local_path
from include.training.errors import ChatTemplateMissingError, ChatTemplateUnfitError, TokenizerUnreadableError

BASE = "base"
#: The tokens that the project's own templates are made of; v1 writes [INST] as text.
_TOKENS: Mapping[str, tuple[str, ...]] = {
    "v1": (),
    "v3": ("[INST]", "[/INST]"),
    "v7": ("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]"),
}


def write_tokenizer(base: Path, choice: str, account: AccountConfig, folder: Path) -> Any:
    """Write the tokenizer's files into ``folder``, and return the tokenizer as Bedrock's transformers loads it.

    Args:
        base: the base model's folder, Hugging Face or raw Mistral.
        choice: ``training.chat_template``.
        account: says where a template's file may be.
        folder: a new folder.

    Raises:
        TokenizerUnreadableError: there is none, or it cannot be loaded.
        ChatTemplateMissingError: the base has no template, and none was chosen.
        ChatTemplateUnfitError: the vocabulary has not the template's tokens.
        LocalPathOutsideError: the template's file may not be read.
    """
    try:
        files = _files(base)
    except (OSError, ModelImportError) as error:
        raise TokenizerUnreadableError(str(base), str(error)) from error
    template = _template(base, choice, account, json.loads(files[TOKENIZER_CONFIG]))
    config, _ = normalise_tokenizer(json.loads(files[TOKENIZER_CONFIG]), template)
    folder.mkdir()
    for name, data in {**files, TOKENIZER_CONFIG: format_json(config)}.items():
        (folder / name).write_bytes(data)
    tokenizer = load_tokenizer(folder, base)
    missing = tuple(token for token in _TOKENS.get(choice, ()) if token not in tokenizer.get_vocab())
    if missing:
        raise ChatTemplateUnfitError(choice, missing)
    return tokenizer


def load_tokenizer(folder: Path, base: Path | None = None) -> Any:
    """Return the tokenizer in a folder; no code in it is run.

    Raises:
        TokenizerUnreadableError: transformers cannot load it.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers and tokenizers raise many kinds for damaged files
        found = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise TokenizerUnreadableError(str(base or folder), found) from error


def _files(base: Path) -> dict[str, bytes]:
    """Return the tokenizer's files by name; its template is in tokenizer_config.json alone."""
    if not (base / TOKENIZER_CONFIG).is_file():
        return tokenizer_files(base)[0]
    found = {name: LOCAL.pin(str(base / name)) for name in TOKENIZER_FILES if (base / name).is_file()}
    checkpoint = checkpoint_of_files(found)
    template = separate_template(checkpoint)
    config, _ = normalise_tokenizer(read_json_if_any(checkpoint, TOKENIZER_CONFIG), template)
    names = found.keys() - {TEMPLATE, TEMPLATE_JSON}
    return {name: (base / name).read_bytes() for name in sorted(names)} | {TOKENIZER_CONFIG: format_json(config)}


def _template(base: Path, choice: str, account: AccountConfig, config: Mapping[str, Any]) -> str:
    if choice in OWN_TEMPLATES:
        return (TEMPLATES / f"{choice}.jinja").read_text("utf-8")
    if choice != BASE:
        path = local_path(choice, account)
        return read_text(checkpoint_of_files({path.name: LOCAL.pin(str(path))}).file(path.name))
    template = config.get("chat_template")
    if isinstance(template, list):  # several, by name
        template = next((one.get("template") for one in template if one.get("name") == "default"), None)
    if not isinstance(template, str) or not template:
        raise ChatTemplateMissingError(str(base))
    return template
