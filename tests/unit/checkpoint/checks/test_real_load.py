"""``validate --load`` sees what headers and samples cannot: it loads the checkpoint and computes with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from include.checkpoint.__main__ import main
from include.checkpoint.checks.real_load import load_defects
from tests.support.tiny_models import make_model, save_model

NORM = "model.norm.weight"


def _last_value(folder: Path, value: float) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[NORM][-1] = value
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _end_every_prompt(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, end],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}, end],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(make_model(eos_token_id=1), tmp_path / "model")


def test_a_sound_checkpoint_loads_and_computes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--load", str(folder)]) == 0
    assert "0 errors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("break_it", "found"),
    [
        (lambda folder: _last_value(folder, float("nan")), "logits are not finite"),
        (_end_every_prompt, "every prompt ends with the end token </s>"),
    ],
    ids=["not a number", "a tokenizer that ends every prompt"],
)
def test_what_does_not_compute_is_an_error_with_its_step(
    folder: Path, break_it: Callable[[Path], None], found: str
) -> None:
    break_it(folder)
    (defect,) = load_defects(folder, 10**6)
    assert found in str(defect)
