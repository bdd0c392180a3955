"""An adapter that is not whole, or not what its configuration says, is refused with the names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    PeftModel,
)

from include.checkpoint.lora import errors as refusals
from include.errors import ModelImportError
from tests.support.edited_adapters import (
    Edit,
    edit_adapter,
    make_adapter,
    merge_to_folder,
    without,
)
from tests.support.tiny_models import (
    make_model,
    save_model,
)

LOST: dict[str, tuple[dict[str, Any], str, str]] = {
    "a layer": ({}, ".layers.1.", "4 modules\nFound: 2, none for model.layers.1.self_attn.q_proj"),
    "a module": ({}, "v_proj", "4 modules\nFound: 2, none for model.layers.0.self_attn.v_proj"),
    "a layer of a regular expression": ({"target_modules": r".*\.q_proj"}, ".layers.1.", "Found: 1"),
    "a layer of those to transform": ({"layers_to_transform": [1]}, "1.self_attn.q_proj", "Found: 1"),
    "all linear layers but one": ({"target_modules": "all-linear"}, "0.mlp.down_proj", "14 modules\nFound: 13"),
    "a module trained whole": ({"modules_to_save": ["lm_head"]}, "lm_head", "modules_to_save"),
    "a norm trained whole": ({"modules_to_save": ["norm"]}, "1.input_layernorm", "none for model.layers.1.input_lay"),
    "DoRA's magnitudes": ({"use_dora": True}, "magnitude", "use_dora"),
    "one of DoRA's magnitudes": ({"use_dora": True}, "0.self_attn.q_proj.lora_magnitude", "4 modules\nFound: 3"),
    "its token rows": ({"trainable_token_indices": [3, 4]}, "trainable_tokens_delta", "trainable_token_indices"),
}


@pytest.mark.parametrize(("lora", "lost", "said"), LOST.values(), ids=LOST)
def test_an_adapter_that_lost_tensors_is_refused_with_their_number_and_names(
    lora: dict[str, Any], lost: str, said: str, base_dir: Path, tmp_path: Path
) -> None:
    adapter = edit_adapter(make_adapter(tmp_path / "adapter", **lora), without(lost))

    with pytest.raises(refusals.AdapterIncompleteError, match=said):
        merge_to_folder(base_dir, adapter, tmp_path)


def test_a_bias_that_was_trained_and_lost_is_refused(tmp_path: Path) -> None:
    base = save_model(make_model("qwen2"), tmp_path / "base")
    adapter = edit_adapter(
        make_adapter(tmp_path / "adapter", "qwen2", bias="all"), without("1.self_attn.k_proj.base_layer.bias")
    )
    adapter = edit_adapter(adapter, without("1.self_attn.k_proj.bias"))

    with pytest.raises(refusals.AdapterIncompleteError, match=r'(?s)bias = "all".*none for model\.layers\.1'):
        merge_to_folder(base, adapter, tmp_path)


@pytest.mark.parametrize("settings", [{"r": 64}, {"r": None}, {"rank_pattern": {"v_proj": 2}}], ids=str)
def test_a_rank_that_the_configuration_does_not_name_is_refused_as_peft_does(
    settings: dict[str, Any], base_dir: Path, tmp_path: Path
) -> None:
    adapter = edit_adapter(make_adapter(tmp_path / "adapter"), **settings)

    with pytest.raises(refusals.AdapterRankMismatchError, match="rank 4"):
        merge_to_folder(base_dir, adapter, tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch"):
        PeftModel.from_pretrained(make_model(), adapter)


def test_a_scaling_that_the_configuration_does_not_name_is_pefts_and_noted(base_dir: Path, tmp_path: Path) -> None:
    adapter = edit_adapter(make_adapter(tmp_path / "adapter"), lora_alpha=None)

    result = merge_to_folder(base_dir, adapter, tmp_path)

    assert any("does not say lora_alpha" in note for note in result.checkpoint.notes)


@pytest.mark.parametrize("shape", [(0,), (0, 64), None], ids=str)
def test_an_adapter_of_ungathered_weights_is_refused_with_the_setting_to_mend_it(
    shape: tuple[int, ...] | None, base_dir: Path, tmp_path: Path
) -> None:
    adapter = make_adapter(tmp_path / "adapter")
    edit_adapter(adapter, lambda tensors: dict.fromkeys(tensors, torch.zeros(shape)) if shape else {})

    with pytest.raises(refusals.AdapterTensorsEmptyError, match="stage3_gather_16bit_weights_on_model_save"):
        merge_to_folder(base_dir, adapter, tmp_path)


@pytest.mark.parametrize(
    ("edit", "settings", "error"),
    [
        (lambda tensors: {name: tensor.flatten() for name, tensor in tensors.items()}, {}, "AdapterTensorShapeError"),
        (lambda tensors: {name: tensor.to(torch.int8) for name, tensor in tensors.items()}, {}, "AdapterDtypeError"),
        (dict, {"target_modules": ["q_proj"]}, "AdapterTensorUnusedError"),
        (dict, {"use_mystery": True}, "AdapterSettingUnknownError"),
        (dict, {"init_lora_weights": "mystery"}, "AdapterStartError"),
        (dict, {"init_lora_weights": "pissa_niter_4"}, "AdapterStartError"),
        (dict, {"init_lora_weights": "corda"}, "AdapterStartError"),
        (dict, {"init_lora_weights": "loftq"}, "AdapterStartError"),
        (dict, {"target_parameters": ["mlp.experts.down_proj"]}, "AdapterTargetMissingError"),
        (dict, {"task_type": "SEQ_CLS"}, "AdapterRefusedError"),
        (dict, {"rank_pattern": {"(": 4}}, "AdapterPatternError"),
        (dict, {"alpha_pattern": {"q_proj": "32"}}, "AdapterConfigError"),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)
def test_an_adapter_that_would_be_merged_wrong_is_refused(
    edit: Edit, settings: dict[str, Any], error: str, base_dir: Path, tmp_path: Path
) -> None:
    adapter = edit_adapter(make_adapter(tmp_path / "adapter"), edit, **settings)

    with pytest.raises(ModelImportError) as caught:
        merge_to_folder(base_dir, adapter, tmp_path)
    assert type(caught.value).__name__ == error


def test_dora_magnitudes_of_an_adapter_that_is_no_dora_are_refused(base_dir: Path, tmp_path: Path) -> None:
    adapter = edit_adapter(make_adapter(tmp_path / "adapter", use_dora=True), use_dora=False)

    with pytest.raises(refusals.AdapterTensorUnusedError, match="no magnitude, as use_dora is false"):
        merge_to_folder(base_dir, adapter, tmp_path)


def test_a_lora_bias_without_a_place_is_not_blamed_on_the_base(base_dir: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", lora_bias=True)

    with pytest.raises(refusals.AdapterBiasUnplacedError, match="Train without lora_bias"):
        merge_to_folder(base_dir, adapter, tmp_path)
