"""A tokenizer that would end the worker, or fill its memory, is a defect like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.checkpoint.checks import tokenizer_checks
from include.checkpoint.checks.model_defects import TokenizerUnusableError
from include.checkpoint.checks.tokenizer_checks import ModelFacts, examine_tokenizer
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.reading import LOCAL
from tests.support.tiny_models import make_model, save_model

LONGER = {"type": "Replace", "pattern": {"String": "l"}, "content": "l" * 10}  # of "Hello"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(make_model(eos_token_id=1), tmp_path / "model")


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def defects_of(folder: Path) -> list[Defect]:
    known = json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"]
    return examine_tokenizer(checkpoint_of_folder(folder), folder, ModelFacts("llama", None, (known,)), LOCAL)[1]


def test_a_tokenizer_that_would_end_the_process_is_refused(model: Path) -> None:
    change(model / "tokenizer.json", normalizer={"type": "Precompiled", "precompiled_charsmap": "/////////w=="})
    assert any(isinstance(each, TokenizerUnusableError) for each in defects_of(model))


def test_a_tokenizer_that_makes_a_prompt_endlessly_long_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer_checks, "SMALL", tokenizer_checks.SMALL._replace(seconds=2))
    change(model / "tokenizer.json", normalizer={"type": "Sequence", "normalizers": [LONGER] * 9})
    assert any("2 seconds of processor time" in str(each) for each in defects_of(model))
