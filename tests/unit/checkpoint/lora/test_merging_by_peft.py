"""Kinds of adapters that peft itself merges: what it placed is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from peft import (
    LoHaConfig,
    OFTConfig,
    PromptTuningConfig,
    VBLoRAConfig,
)

from include.checkpoint.errors import AdapterRefusedError
from include.checkpoint.lora import errors as refusals
from tests.support.edited_adapters import (
    edit_adapter,
    make_adapter,
    merge_to_folder,
    without,
)
from tests.support.matrix_families import FAMILIES, make_base
from tests.support.matrix_outcomes import assert_as_declared
from tests.support.merge_matrix import OPTIONS, STARTS, TUNERS
from tests.support.tiny_models import (
    equal_bits,
    load_weights,
    make_model,
    merged_by_peft,
    save_adapter,
)


@pytest.mark.parametrize("lost", ["hada_w1_a", "hada_w2_b"])
def test_what_peft_leaves_empty_is_refused(lost: str, base_dir: Path, tmp_path: Path) -> None:
    config = LoHaConfig(r=4, alpha=8, target_modules=["q_proj"], task_type="CAUSAL_LM", init_weights=False)
    adapter = edit_adapter(
        save_adapter(make_model(), tmp_path / "adapter", config), without(f"1.self_attn.q_proj.{lost}")
    )

    with pytest.raises(refusals.AdapterNotPlacedError, match="1 places left empty"):
        merge_to_folder(base_dir, adapter, tmp_path)


def test_what_peft_cannot_place_is_refused(base_dir: Path, tmp_path: Path) -> None:
    config = LoHaConfig(r=4, alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_weights=False)
    adapter = edit_adapter(save_adapter(make_model(), tmp_path / "adapter", config), target_modules=["q_proj"])

    with pytest.raises(refusals.AdapterNotPlacedError, match=r"(?s)v_proj.*8 tensors left over"):
        merge_to_folder(base_dir, adapter, tmp_path)


def test_a_vector_bank_that_layers_share_counts_as_placed(base_dir: Path, tmp_path: Path) -> None:
    config = VBLoRAConfig(r=4, vector_length=16, num_vectors=32, topk=2, target_modules=["q_proj"])
    adapter = save_adapter(make_model(), tmp_path / "adapter", config)

    merge_to_folder(base_dir, adapter, tmp_path)

    assert equal_bits(load_weights(tmp_path / "ours"), merged_by_peft(base_dir, adapter, tmp_path / "theirs"))


def test_a_rank_of_zero_that_oft_saves_is_no_divisor(base_dir: Path, tmp_path: Path) -> None:
    config = OFTConfig(oft_block_size=8, r=0, target_modules=["q_proj"], task_type="CAUSAL_LM")
    adapter = save_adapter(make_model(), tmp_path / "adapter", config)

    merge_to_folder(base_dir, adapter, tmp_path)

    assert equal_bits(load_weights(tmp_path / "ours"), merged_by_peft(base_dir, adapter, tmp_path / "theirs"))


def test_trained_prompts_are_refused(base_dir: Path, tmp_path: Path) -> None:
    config = PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
    adapter = save_adapter(make_model(), tmp_path / "adapter", config)

    with pytest.raises(AdapterRefusedError, match="trained prompts"):
        merge_to_folder(base_dir, adapter, tmp_path)


def test_the_proof_of_a_merge_by_peft_says_so_and_counts_what_peft_placed(base_dir: Path, tmp_path: Path) -> None:
    result = merge_to_folder(base_dir, make_adapter(tmp_path / "adapter", init_lora_weights="olora"), tmp_path)

    assert (result.proof["by_peft"], result.proof["adapter_tensors"]) == (True, 8)
    assert "peft placed all 8 tensors of the adapter" in result.checkpoint.notes[-1]
    assert equal_bits(load_weights(tmp_path / "ours"), merged_by_peft(base_dir, tmp_path / "adapter", tmp_path / "t"))


def test_a_setting_of_a_newer_peft_is_refused_by_name_for_every_kind(base_dir: Path, tmp_path: Path) -> None:
    config = LoHaConfig(r=4, alpha=8, target_modules=["q_proj"], task_type="CAUSAL_LM", init_weights=False)
    adapter = edit_adapter(save_adapter(make_model(), tmp_path / "adapter", config), use_cube=True, use_square=False)

    with pytest.raises(refusals.AdapterSettingUnknownError, match="Found: use_cube = True"):
        merge_to_folder(base_dir, adapter, tmp_path)


_CELLS = {cell.name: cell for cell in (*TUNERS, *OPTIONS, *STARTS)}


@pytest.mark.parametrize(
    ("family", "cell"),
    [
        ("Mistral", "OSF"),
        ("Mistral", "IA3"),
        ("Mistral", "kasa_config"),
        ("Mistral", "lora_ga, converted"),
        ("Qwen3-MoE", "UNILORA"),
        ("T5", "VERA"),
        ("T5", "LoRA on the embedding"),
        ("T5", "TRAINABLE_TOKENS"),
        ("Mistral", "LILY"),
        ("Mistral", "corda"),
    ],
)
def test_a_cell_of_the_matrix_is_merged_as_peft_does_or_refused(family: str, cell: str, tmp_path: Path) -> None:
    assert_as_declared(make_base(FAMILIES[family], tmp_path / "base"), family, _CELLS[cell], tmp_path)


def test_trained_parameters_of_linear_layers_are_merged_as_peft_does(base_dir: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", target_parameters=["mlp.gate_proj.weight"])

    merge_to_folder(base_dir, adapter, tmp_path)

    assert equal_bits(load_weights(tmp_path / "ours"), merged_by_peft(base_dir, adapter, tmp_path / "theirs"))
