"""The models that the killed runs work on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from peft import LoraConfig
from transformers import MistralConfig, MistralForCausalLM

from include.checkpoint.__main__ import UNUSABLE, main
from include.checkpoint.commands import WORK_SUFFIX
from include.checkpoint.files.atomic import PARTIAL_SUFFIX
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.reading import verify_pins
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.lora.merging import merge
from include.checkpoint.mistral.conversion import convert
from tests.support.checkpoint_kills import KillCase, digest_of
from tests.support.raw_mistral import save_raw
from tests.support.tiny_models import make_tokenizer, save_adapter, save_model


def _model() -> MistralForCausalLM:
    config = MistralConfig(
        hidden_size=512,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=128,
    )
    torch.manual_seed(5)
    return MistralForCausalLM(config).to(torch.bfloat16)


def _merge_arguments(folder: Path) -> list[str]:
    base = save_model(_model(), folder / "base", "1MB")
    make_tokenizer().save_pretrained(base)
    targets = ["q_proj", "v_proj", "up_proj"]
    adapter = save_adapter(_model(), folder / "adapter", LoraConfig(target_modules=targets, task_type="CAUSAL_LM"))
    return ["merge", "--base", str(base), "--adapter", str(adapter), "--check", "0"]


def _convert_arguments(folder: Path) -> list[str]:
    save_raw(_model(), folder / "raw")
    make_tokenizer().save_pretrained(folder / "raw")
    return ["convert", "--source", str(folder / "raw")]


def _to_folder(arguments: list[str], folder: Path) -> KillCase:
    """The command with ``--out``; a second one refuses a folder that is whole, and clears what lies beside it."""
    out, work_dir = folder / "out", folder / f"out{WORK_SUFFIX}"

    def work() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        whole = out.exists()
        code = main([*arguments, "--out", str(out)])
        if code != (UNUSABLE if whole else 0):
            raise RuntimeError(f"exit code {code}")

    def phase() -> str | None:
        if out.exists():
            return "clearing" if work_dir.exists() else None
        if (folder / f"out{PARTIAL_SUFFIX}").exists():
            return "writing the folder"
        if not work_dir.exists():
            return None
        return "writing the overlay" if list(work_dir.glob(f"*{PARTIAL_SUFFIX}")) else "overlay whole"

    def clear() -> None:
        for path in (out, work_dir, folder / f"out{PARTIAL_SUFFIX}"):
            shutil.rmtree(path, ignore_errors=True)

    def results() -> dict[str, str]:
        return {str(path.relative_to(folder)): digest_of(path) for path in out.glob("*")}

    return KillCase(folder, work, clear, phase, results)


def _to_checkpoint(prepare: Callable[[Path], Checkpoint], folder: Path) -> KillCase:
    """Overlay and Checkpoint JSON only; the JSON is compared but for the times of its sources."""
    overlay_dir = folder / "overlay"

    def work() -> None:
        prepare(overlay_dir).save(overlay_dir / "checkpoint.json")

    def phase() -> str | None:
        if not overlay_dir.exists():
            return None
        if (overlay_dir / "checkpoint.json").exists():
            return None
        return "writing the overlay" if list(overlay_dir.glob(f"*.overlay{PARTIAL_SUFFIX}")) else "overlay whole"

    def results() -> dict[str, str]:
        found = {path.name: digest_of(path) for path in overlay_dir.glob("*.overlay")}
        if (overlay_dir / "checkpoint.json").exists():
            verify_pins(Checkpoint.load(overlay_dir / "checkpoint.json"))
            content = json.loads((overlay_dir / "checkpoint.json").read_text("utf-8"))
            found["checkpoint.json"] = json.dumps({name: value for name, value in content.items() if name != "pins"})
        return found

    return KillCase(folder, work, lambda: shutil.rmtree(overlay_dir, ignore_errors=True), phase, results)


def merge_to_folder(folder: Path) -> KillCase:
    """``python -m include.checkpoint merge --out``."""
    return _to_folder(_merge_arguments(folder), folder)


def convert_to_folder(folder: Path) -> KillCase:
    """``python -m include.checkpoint convert --out``."""
    return _to_folder(_convert_arguments(folder), folder)


def merge_to_checkpoint(folder: Path) -> KillCase:
    """A merge as a run's task does it."""
    _merge_arguments(folder)
    base = checkpoint_of_folder(folder / "base")
    return _to_checkpoint(lambda overlay_dir: merge(base, folder / "adapter", overlay_dir).checkpoint, folder)


def convert_to_checkpoint(folder: Path) -> KillCase:
    """A conversion as a run's task does it."""
    _convert_arguments(folder)
    return _to_checkpoint(lambda overlay_dir: convert(folder / "raw", overlay_dir), folder)


KILL_CASES = {
    "merge --out": merge_to_folder,
    "merge to a Checkpoint": merge_to_checkpoint,
    "convert --out": convert_to_folder,
    "convert to a Checkpoint": convert_to_checkpoint,
}
