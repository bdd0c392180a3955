"""An adapter that is not whole, or not what its configuration says, is refused with the names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoHaConfig, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from include.checkpoint import adapter_errors as refusals
from include.checkpoint.adapter_names import read_names
from include.checkpoint.folder import checkpoint_of_folder
from include.checkpoint.materialize import materialize
from include.checkpoint.merging import MergeResult, merge
from include.errors import ModelImportError
from tests.unit.checkpoint.tiny_models import (
    equal_bits,
    load_weights,
    make_model,
    merged_by_peft,
    save_adapter,
    save_model,
)

Tensors = dict[str, torch.Tensor]
Edit = Callable[[Tensors], Tensors]
WHOLE_LORA = {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}


def _adapter(folder: Path, family: str = "mistral", **lora: Any) -> Path:
    return save_adapter(make_model(family), folder, LoraConfig(**WHOLE_LORA | lora))


def _edit(adapter: Path, edit: Edit = dict, **settings: Any) -> Path:
    weights, config = adapter / "adapter_model.safetensors", adapter / "adapter_config.json"
    save_file({name: tensor.contiguous() for name, tensor in edit(load_file(weights)).items()}, weights)
    edited = json.loads(config.read_text()) | settings
    config.write_text(json.dumps({name: value for name, value in edited.items() if value is not None}))
    return adapter


def _without(part: str) -> Edit:
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if part not in name}


def _renamed(old: str, new: str) -> Edit:
    return lambda tensors: {name.replace(old, new): tensor for name, tensor in tensors.items()}


def _merge(base: Path, adapter: Path, folder: Path) -> MergeResult:
    result = merge(checkpoint_of_folder(base), adapter, folder / "overlay")
    materialize(result.checkpoint, folder / "ours")
    return result


LOST: dict[str, tuple[dict[str, Any], str, str]] = {
    "a layer": ({}, ".layers.1.", "4 modules; found 2, none for model.layers.1.self_attn.q_proj"),
    "a module": ({}, "v_proj", "4 modules; found 2, none for model.layers.0.self_attn.v_proj"),
    "a layer of a regular expression": ({"target_modules": r".*\.q_proj"}, ".layers.1.", "found 1"),
    "a layer of those to transform": ({"layers_to_transform": [1]}, "1.self_attn.q_proj", "found 1"),
    "all linear layers but one": ({"target_modules": "all-linear"}, "0.mlp.down_proj", "14 modules; found 13"),
    "a module trained whole": ({"modules_to_save": ["lm_head"]}, "lm_head", "modules_to_save"),
    "a norm trained whole": ({"modules_to_save": ["norm"]}, "1.input_layernorm", "none for model.layers.1.input_lay"),
    "DoRA's magnitudes": ({"use_dora": True}, "magnitude", "use_dora"),
    "one of DoRA's magnitudes": ({"use_dora": True}, "0.self_attn.q_proj.lora_magnitude", "4 modules; found 3"),
    "its token rows": ({"trainable_token_indices": [3, 4]}, "trainable_tokens_delta", "trainable_token_indices"),
}


@pytest.mark.parametrize(("lora", "lost", "said"), LOST.values(), ids=LOST)
def test_an_adapter_that_lost_tensors_is_refused_with_their_number_and_names(
    lora: dict[str, Any], lost: str, said: str, base_dir: Path, tmp_path: Path
) -> None:
    adapter = _edit(_adapter(tmp_path / "adapter", **lora), _without(lost))

    with pytest.raises(refusals.AdapterIncompleteError, match=said):
        _merge(base_dir, adapter, tmp_path)


def test_a_bias_that_was_trained_and_lost_is_refused(tmp_path: Path) -> None:
    base = save_model(make_model("qwen2"), tmp_path / "base")
    adapter = _edit(_adapter(tmp_path / "adapter", "qwen2", bias="all"), _without("1.self_attn.k_proj.base_layer.bias"))
    adapter = _edit(adapter, _without("1.self_attn.k_proj.bias"))

    with pytest.raises(refusals.AdapterIncompleteError, match=r'bias = "all".*none for model\.layers\.1'):
        _merge(base, adapter, tmp_path)


@pytest.mark.parametrize("settings", [{"r": 64}, {"r": None}, {"rank_pattern": {"v_proj": 2}}], ids=str)
def test_a_rank_that_the_configuration_does_not_name_is_refused_as_peft_does(
    settings: dict[str, Any], base_dir: Path, tmp_path: Path
) -> None:
    adapter = _edit(_adapter(tmp_path / "adapter"), **settings)

    with pytest.raises(refusals.AdapterRankMismatchError, match="rank 4"):
        _merge(base_dir, adapter, tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch"):
        PeftModel.from_pretrained(make_model(), adapter)


def test_a_scaling_that_the_configuration_does_not_name_is_pefts_and_noted(base_dir: Path, tmp_path: Path) -> None:
    adapter = _edit(_adapter(tmp_path / "adapter"), lora_alpha=None)

    result = _merge(base_dir, adapter, tmp_path)

    assert any("does not say lora_alpha" in note for note in result.checkpoint.notes)


@pytest.mark.parametrize("shape", [(0,), (0, 64), None], ids=str)
def test_an_adapter_of_ungathered_weights_is_refused_with_the_setting_to_mend_it(
    shape: tuple[int, ...] | None, base_dir: Path, tmp_path: Path
) -> None:
    adapter = _adapter(tmp_path / "adapter")
    _edit(adapter, lambda tensors: dict.fromkeys(tensors, torch.zeros(shape)) if shape else {})

    with pytest.raises(refusals.AdapterTensorsEmptyError, match="stage3_gather_16bit_weights_on_model_save"):
        _merge(base_dir, adapter, tmp_path)


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
        (dict, {"rank_pattern": {"(": 4}}, "AdapterConfigError"),
        (dict, {"alpha_pattern": {"q_proj": "32"}}, "AdapterConfigError"),
    ],
    ids=str,
)
def test_an_adapter_that_would_be_merged_wrong_is_refused(
    edit: Edit, settings: dict[str, Any], error: str, base_dir: Path, tmp_path: Path
) -> None:
    adapter = _edit(_adapter(tmp_path / "adapter"), edit, **settings)

    with pytest.raises(ModelImportError) as caught:
        _merge(base_dir, adapter, tmp_path)
    assert type(caught.value).__name__ == error


def test_dora_magnitudes_of_an_adapter_that_is_no_dora_are_refused(base_dir: Path, tmp_path: Path) -> None:
    adapter = _edit(_adapter(tmp_path / "adapter", use_dora=True), use_dora=False)

    with pytest.raises(refusals.AdapterTensorUnusedError, match="no magnitude, as use_dora is false"):
        _merge(base_dir, adapter, tmp_path)


def test_a_lora_bias_without_a_place_is_not_blamed_on_the_base(base_dir: Path, tmp_path: Path) -> None:
    adapter = _adapter(tmp_path / "adapter", lora_bias=True)

    with pytest.raises(refusals.AdapterBiasUnplacedError, match="Train without lora_bias"):
        _merge(base_dir, adapter, tmp_path)


WRAPPED: dict[str, tuple[str, str]] = {
    "torch.compile": ("base_model.model.", "base_model.model._orig_mod."),
    "torch.compile around peft": ("base_model.model.", "_orig_mod.base_model.model."),
    "DDP": ("base_model.model.", "module.base_model.model."),
    "DDP in peft": ("base_model.model.", "base_model.model.module."),
    "FSDP": ("layers.0.", "layers.0._fsdp_wrapped_module."),
    "FSDP and activation checkpointing": ("layers.0.", "layers.0._fsdp_wrapped_module._checkpoint_wrapped_module."),
    "the adapter's name": (".weight", ".sft.weight"),
}


@pytest.mark.parametrize(
    ("start", "old", "new"),
    [*((True, *names) for names in WRAPPED.values()), ("pissa", *WRAPPED["torch.compile"])],
    ids=[*WRAPPED, "torch.compile and PiSSA"],
)
def test_names_with_a_wrapper_in_them_are_read_without_it(
    start: bool | str, old: str, new: str, base_dir: Path, tmp_path: Path
) -> None:
    adapter = _adapter(tmp_path / "adapter", init_lora_weights=start)
    theirs = merged_by_peft(base_dir, adapter, tmp_path / "theirs")

    result = _merge(base_dir, _edit(adapter, _renamed(old, new)), tmp_path)

    assert equal_bits(load_weights(tmp_path / "ours"), theirs)
    assert ("sft" in new) is not any("they were read without it" in note for note in result.checkpoint.notes)


def test_untrained_copies_of_whole_modules_are_left_out_with_a_note(base_dir: Path, tmp_path: Path) -> None:
    adapter = _adapter(tmp_path / "adapter", modules_to_save=["lm_head"])
    theirs = merged_by_peft(base_dir, adapter, tmp_path / "theirs")
    copy = "base_model.model.lm_head.original_module.weight"
    _edit(adapter, lambda tensors: tensors | {copy: load_weights(base_dir)["lm_head.weight"]})

    notes = _merge(base_dir, adapter, tmp_path).checkpoint.notes

    assert equal_bits(load_weights(tmp_path / "ours"), theirs)
    assert any("untrained copies" in note for note in notes)


@pytest.mark.parametrize(
    "names",
    [("m.lora_A.first.weight", "m.lora_A.second.weight"), ("m.lora_A.weight", "module.m.lora_A.weight")],
)
def test_two_tensors_with_one_meaning_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(refusals.AdapterNamesAmbiguousError):
        read_names(names)


@pytest.mark.parametrize("lost", ["hada_w1_a", "hada_w2_b"])
def test_what_peft_leaves_empty_is_refused(lost: str, base_dir: Path, tmp_path: Path) -> None:
    config = LoHaConfig(r=4, alpha=8, target_modules=["q_proj"], task_type="CAUSAL_LM", init_weights=False)
    adapter = _edit(save_adapter(make_model(), tmp_path / "adapter", config), _without(f"1.self_attn.q_proj.{lost}"))

    with pytest.raises(refusals.AdapterNotPlacedError, match="1 places left empty"):
        _merge(base_dir, adapter, tmp_path)


def test_what_peft_cannot_place_is_refused(base_dir: Path, tmp_path: Path) -> None:
    config = LoHaConfig(r=4, alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_weights=False)
    adapter = _edit(save_adapter(make_model(), tmp_path / "adapter", config), target_modules=["q_proj"])

    with pytest.raises(refusals.AdapterNotPlacedError, match=r"v_proj.*8 tensors left over"):
        _merge(base_dir, adapter, tmp_path)


def test_the_proof_of_a_merge_by_peft_says_so_and_counts_what_peft_placed(base_dir: Path, tmp_path: Path) -> None:
    result = _merge(base_dir, _adapter(tmp_path / "adapter", init_lora_weights="olora"), tmp_path)

    assert (result.proof["by_peft"], result.proof["adapter_tensors"]) == (True, 8)
    assert "peft placed all 8 tensors of the adapter" in result.checkpoint.notes[-1]
    assert equal_bits(load_weights(tmp_path / "ours"), merged_by_peft(base_dir, tmp_path / "adapter", tmp_path / "t"))


def test_trained_parameters_of_linear_layers_are_merged_as_peft_does(base_dir: Path, tmp_path: Path) -> None:
    adapter = _adapter(tmp_path / "adapter", target_parameters=["mlp.gate_proj.weight"])

    _merge(base_dir, adapter, tmp_path)

    assert equal_bits(load_weights(tmp_path / "ours"), merged_by_peft(base_dir, adapter, tmp_path / "theirs"))


@pytest.mark.parametrize("tied", [False, True])
def test_new_tokens_of_a_resized_vocabulary_are_merged(tied: bool, tmp_path: Path) -> None:
    base = save_model(make_model(dtype=torch.float32, tie_word_embeddings=tied), tmp_path / "base")
    model = make_model(dtype=torch.float32, tie_word_embeddings=tied)
    model.resize_token_embeddings(130, mean_resizing=False)
    tuned = get_peft_model(model, LoraConfig(**WHOLE_LORA, trainable_token_indices={"embed_tokens": [129, 128]}))
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = 0.2 * torch.randn_like(parameter)
    tuned.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    tokens = torch.tensor([[3, 128, 4, 129, 5]])

    _merge(base, tmp_path / "adapter", tmp_path)

    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(tmp_path / "ours").eval()(tokens).logits
        torch.testing.assert_close(ours, tuned.eval()(tokens).logits, rtol=1e-4, atol=1e-4)
