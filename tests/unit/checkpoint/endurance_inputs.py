"""The models that fuzzing and killing work on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from peft import LoraConfig
from transformers import MistralConfig, MistralForCausalLM

from include.checkpoint.commands import WORK_SUFFIX
from include.checkpoint.conversion import convert
from include.checkpoint.folder import checkpoint_of_folder
from include.checkpoint.materialize import materialize
from include.checkpoint.merging import merge
from tests.unit.checkpoint.raw_mistral import save_raw
from tests.unit.checkpoint.tiny_models import equal_bits, load_weights, make_tokenizer, save_adapter, save_model

Case = tuple[Callable[[], object], Callable[[], object]]


def fuzz_folder(folder: Path) -> Path:
    """A sound model of one layer in two shards, without a tokenizer, so that a mutant takes milliseconds."""
    config = MistralConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=32,
    )
    model = MistralForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="2KB")
    return folder


def _model() -> MistralForCausalLM:
    config = MistralConfig(
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=128,
    )
    torch.manual_seed(5)
    return MistralForCausalLM(config).to(torch.bfloat16)


def merge_case(folder: Path) -> Case:
    """A merge into a new folder, and the check that the next run ends right."""
    base = save_model(_model(), folder / "base", "1MB")
    targets = ["q_proj", "v_proj", "up_proj"]
    adapter = save_adapter(_model(), folder / "adapter", LoraConfig(target_modules=targets, task_type="CAUSAL_LM"))

    def work() -> None:
        overlay = folder / f"out{WORK_SUFFIX}"
        materialize(merge(checkpoint_of_folder(base), adapter, overlay).checkpoint, folder / "out")

    return work, _check(work, folder, "merge.overlay")


def convert_case(folder: Path) -> Case:
    """A conversion into a new folder, and the check that the next run ends right."""
    save_raw(_model(), folder / "raw")
    make_tokenizer().save_pretrained(folder / "raw")

    def work() -> None:
        materialize(convert(folder / "raw", folder / f"out{WORK_SUFFIX}"), folder / "out")

    return work, _check(work, folder, "convert.overlay")


def _check(work: Callable[[], object], folder: Path, overlay: str) -> Callable[[], object]:
    """What a killed run left is no half folder or overlay, and the next run makes what an undisturbed one does."""
    work()
    wanted, size = load_weights(folder / "out"), (folder / f"out{WORK_SUFFIX}" / overlay).stat().st_size
    shutil.rmtree(folder / "out")

    def check() -> None:
        if (folder / "out").exists():
            assert equal_bits(load_weights(folder / "out"), wanted)
            shutil.rmtree(folder / "out")
        left = folder / f"out{WORK_SUFFIX}" / overlay
        assert not left.exists() or left.stat().st_size == size
        work()
        assert equal_bits(load_weights(folder / "out"), wanted)
        assert not list(folder.rglob("*.partial"))
        shutil.rmtree(folder / "out")
        shutil.rmtree(folder / f"out{WORK_SUFFIX}")

    return check
