"""A merged model's logits against those of peft's own model: sound merges pass, what is left out of one is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import save_file

from include.checkpoint.__main__ import main
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.lora import logits_proof
from include.checkpoint.lora.adapter import AdapterConfig
from include.checkpoint.lora.errors import LogitsNotComparedError
from include.checkpoint.lora.logits_process import compare
from include.checkpoint.lora.logits_proof import ALLOWED, SEQUENCES, LogitsProof, prove_logits
from tests.support.edited_adapters import merge_to_folder
from tests.support.tiny_models import load_weights, make_model, save_adapter, save_model

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
EXPERTS = ["q_proj", "w1", "w2", "w3", "gate"]
MODELS: dict[str, tuple[str, torch.dtype, dict[str, Any], dict[str, Any]]] = {
    "all linear layers in bf16": ("mistral", torch.bfloat16, {"target_modules": LINEAR}, {}),
    "in fp16": ("llama", torch.float16, {"target_modules": LINEAR}, {}),
    "in fp32": ("mistral", torch.float32, {"target_modules": LINEAR}, {}),
    "DoRA": ("mistral", torch.bfloat16, {"target_modules": LINEAR, "use_dora": True}, {}),
    "trained biases": ("qwen2", torch.bfloat16, {"target_modules": ["q_proj"], "bias": "all"}, {}),
    "whole modules": (
        "mistral",
        torch.bfloat16,
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
        {},
    ),
    "single tokens": ("mistral", torch.bfloat16, {"target_modules": ["q_proj"], "trainable_token_indices": [97]}, {}),
    "routed experts": ("mixtral", torch.bfloat16, {"target_modules": EXPERTS}, {}),
    "PiSSA": ("mistral", torch.bfloat16, {"target_modules": LINEAR, "init_lora_weights": "pissa"}, {}),
    "a tied head": (
        "mistral",
        torch.bfloat16,
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"tie_word_embeddings": True},
    ),
}


@pytest.fixture(scope="module", params=MODELS, ids=lambda name: name)
def merged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with base, adapter, and "ours", the merged model."""
    family, dtype, lora, config = MODELS[request.param]
    folder = tmp_path_factory.mktemp("merged")
    base = save_model(make_model(family, dtype, **config), folder / "base")
    adapter = LoraConfig(**{"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM"} | lora)
    merge_to_folder(base, save_adapter(make_model(family, dtype, **config), folder / "adapter", adapter), folder)
    return folder


def _proof(folder: Path) -> LogitsProof:
    return LogitsProof(**compare(folder / "base", folder / "adapter", folder / "ours", SEQUENCES))


def test_a_sound_merge_differs_from_pefts_model_by_rounding_only(merged: Path) -> None:
    proof = _proof(merged)

    assert proof.difference <= 1.2 * proof.rounding
    assert proof.adapter_effect > 10 * ALLOWED * proof.rounding


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16], ids=str)
def test_a_sound_merge_that_is_rounded_to_another_dtype_differs_by_the_two_roundings_only(
    merged: Path, stored: torch.dtype, tmp_path: Path
) -> None:
    rounded = Path(shutil.copytree(merged, tmp_path / "rounded"))
    weights = {name: tensor.to(stored) for name, tensor in load_weights(merged / "ours").items()}
    save_file(weights, rounded / "ours" / "model.safetensors", {"format": "pt"})
    proof = _proof(rounded)

    assert proof.difference <= 1.2 * proof.rounding
    assert proof.adapter_effect > 10 * ALLOWED * proof.rounding


def test_a_single_tensor_left_as_the_bases_is_found(merged: Path, tmp_path: Path) -> None:
    base, ours = load_weights(merged / "base"), load_weights(merged / "ours")
    changed = [name for name in ours if name in base and not torch.equal(ours[name], base[name])]
    for name in changed[::3]:
        broken = Path(shutil.copytree(merged, tmp_path / name))
        save_file(ours | {name: base[name]}, broken / "ours" / "model.safetensors", {"format": "pt"})
        proof = _proof(broken)
        assert proof.difference > ALLOWED * proof.rounding, name


def test_a_wrong_reading_of_the_scaling_is_found_although_every_tensor_is_proven(
    base_dir: Path,
    adapter_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(AdapterConfig, "scaling", lambda config, module: 1.0)  # it is 8 / 4
    arguments = ["merge", "--base", str(base_dir), "--adapter", str(adapter_dir), "--json", "--out"]

    assert main([*arguments, str(tmp_path / "out")]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["error"] == "MergedLogitsDifferError"
    assert said["proof"]["largest_deviation"] <= 1
    assert main([*arguments, str(tmp_path / "unchecked"), "--check", "0"]) == 0


def test_a_comparison_that_fails_is_an_error_only_if_it_was_asked_for(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logits_proof, "BASE_SECONDS", 1)  # importing takes longer
    monkeypatch.setattr(logits_proof, "SECONDS_PER_GB", 0)
    checkpoint = checkpoint_of_folder(base_dir)

    assert "cannot be compared" in prove_logits(checkpoint, adapter_dir, base_dir, tmp_path).skipped
    with pytest.raises(LogitsNotComparedError):
        prove_logits(checkpoint, adapter_dir, base_dir, tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_large_base_is_compared_only_when_asked_to(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logits_proof, "SMALL_BASE", 1000)

    assert "1,000 or more" in prove_logits(checkpoint_of_folder(base_dir), adapter_dir, base_dir, tmp_path).skipped
