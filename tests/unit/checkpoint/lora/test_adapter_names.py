"""The wrappers of training in an adapter's tensor names."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.checkpoint.lora import errors as refusals
from include.checkpoint.lora.adapter_names import read_names
from tests.support.edited_adapters import (
    edit_adapter,
    make_adapter,
    merge_to_folder,
    renamed,
)
from tests.support.tiny_models import (
    equal_bits,
    load_weights,
    merged_by_peft,
)

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
    adapter = make_adapter(tmp_path / "adapter", init_lora_weights=start)
    theirs = merged_by_peft(base_dir, adapter, tmp_path / "theirs")

    result = merge_to_folder(base_dir, edit_adapter(adapter, renamed(old, new)), tmp_path)

    assert equal_bits(load_weights(tmp_path / "ours"), theirs)
    assert ("sft" in new) is not any("they were read without it" in note for note in result.checkpoint.notes)


def test_untrained_copies_of_whole_modules_are_left_out_with_a_note(base_dir: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", modules_to_save=["lm_head"])
    theirs = merged_by_peft(base_dir, adapter, tmp_path / "theirs")
    copy = "base_model.model.lm_head.original_module.weight"
    edit_adapter(adapter, lambda tensors: tensors | {copy: load_weights(base_dir)["lm_head.weight"]})

    notes = merge_to_folder(base_dir, adapter, tmp_path).checkpoint.notes

    assert equal_bits(load_weights(tmp_path / "ours"), theirs)
    assert any("untrained copies" in note for note in notes)


@pytest.mark.parametrize(
    "names",
    [("m.lora_A.first.weight", "m.lora_A.second.weight"), ("m.lora_A.weight", "module.m.lora_A.weight")],
)
def test_two_tensors_with_one_meaning_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(refusals.AdapterNamesAmbiguousError):
        read_names(names)
