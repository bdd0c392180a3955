"""Weights in another float format."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from include.checkpoint.casting import cast
from include.checkpoint.checks.validation import validate
from include.checkpoint.errors import NonFiniteError
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.writing.materialize import materialize
from tests.support.tiny_models import equal_bits, load_weights, make_model, save_model


@pytest.mark.parametrize(("name", "dtype"), [("bfloat16", torch.bfloat16), ("float16", torch.float16)])
def test_every_weight_is_rounded_as_torch_rounds(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    base = save_model(make_model(dtype=torch.float32), tmp_path / "base", "100KB")

    checkpoint = cast(checkpoint_of_folder(base), tmp_path / "overlay", name)  # type: ignore[arg-type]
    materialize(checkpoint, tmp_path / "out")

    wanted = {key: tensor.to(dtype) for key, tensor in load_weights(base).items()}
    assert equal_bits(load_weights(tmp_path / "out"), wanted)
    report = validate(checkpoint)
    assert (report.errors, report.warnings) == ((), ())


def test_weights_of_that_format_stay_where_they_are(base_dir: Path, tmp_path: Path) -> None:
    checkpoint = checkpoint_of_folder(base_dir)
    assert cast(checkpoint, tmp_path / "overlay", "bfloat16") is checkpoint


def test_a_value_that_float16_cannot_hold_is_named(tmp_path: Path) -> None:
    model = make_model()
    model.lm_head.weight.data[3, 3] = 1e6
    base = save_model(model, tmp_path / "base")

    with pytest.raises(NonFiniteError, match=r"lm_head\.weight"):
        cast(checkpoint_of_folder(base), tmp_path / "overlay", "float16")
