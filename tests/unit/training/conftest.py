"""Tokenizers of Mistral's, with the templates that go with them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mistral_common
import pytest

from include.config.account import AccountConfig
from include.training.tokenizers import write_tokenizer

DATA = Path(mistral_common.__file__).parent / "data"
DEMO_BASE = Path(__file__).parents[3] / "include" / "demo" / "base"
#: By template: a file of Mistral's, and the name that a download has.
RAW = {
    "v1": ("tokenizer.model.v1", "tokenizer.model"),
    "v3": ("mistral_instruct_tokenizer_240323.model.v3", "tokenizer.model.v3"),
    "v7": ("tekken_240911.json", "tekken.json"),
}


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """A tokenizer for each of the project's templates, and the demo's, as prepared for a training."""
    made = {"base": write_tokenizer(DEMO_BASE, "base", AccountConfig(), tmp_path_factory.mktemp("demo") / "tokenizer")}
    for template, (source, name) in RAW.items():
        folder = tmp_path_factory.mktemp(template)
        shutil.copy(DATA / source, folder / name)
        made[template] = write_tokenizer(folder, template, AccountConfig(), folder / "tokenizer")
    return made
