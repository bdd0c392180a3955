"""Pickled weights become safetensors files that transformers loads as the same model, without being copied."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from include.checkpoint.checks.validation import validate
from include.checkpoint.converting import convert, peft_adapter
from include.checkpoint.errors import SourceUnrecognisedError
from include.checkpoint.files.defects import TensorDuplicatedError
from include.checkpoint.inspection import inspect
from include.checkpoint.writing.materialize import materialize
from tests.support.tiny_mistral import save_tiny_mistral


def pickled(folder: Path, shards: str = "1GB", **config: bool) -> Path:
    """A model whose weights are pytorch_model*.bin, as transformers itself saves them."""
    whole = save_tiny_mistral(folder / "whole", **config)
    model = AutoModelForCausalLM.from_pretrained(whole, torch_dtype="auto")
    model.save_pretrained(folder / "pickled", safe_serialization=False, max_shard_size=shards)
    AutoTokenizer.from_pretrained(whole).save_pretrained(folder / "pickled")
    return folder / "pickled"


def logits(folder: Path) -> torch.Tensor:
    model, report = AutoModelForCausalLM.from_pretrained(folder, torch_dtype="auto", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    with torch.no_grad():
        return model(torch.arange(3, 43)[None]).logits


@pytest.mark.parametrize("shards", ["1GB", "20KB"], ids=["one file", "shards"])
@pytest.mark.parametrize("tied", [False, True], ids=["own head", "tied head"])
def test_the_converted_model_is_the_one_that_transformers_loads_from_the_pickles(
    tmp_path: Path, shards: str, tied: bool
) -> None:
    source = pickled(tmp_path, shards, tie_word_embeddings=tied)
    assert inspect(source).kind == "hf_pickled"
    converted = convert(source, tmp_path / "overlay")
    materialize(converted, tmp_path / "out")
    assert validate(converted).errors == ()
    assert torch.equal(logits(source), logits(tmp_path / "out"))
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".json", ".safetensors"}


def test_masks_of_truth_values_that_older_versions_saved_are_left_out(tmp_path: Path) -> None:
    source = pickled(tmp_path)
    state = torch.load(source / "pytorch_model.bin", weights_only=True)
    masks = {"model.layers.0.attn.bias": torch.ones(1, 1, 4, 4, dtype=torch.bool)}
    masks["model.layers.0.attn.masked_bias"] = torch.ones(4, dtype=torch.uint8)
    torch.save(state | masks, source / "pytorch_model.bin")
    materialize(convert(source, tmp_path / "overlay"), tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == state.keys()
    assert torch.equal(logits(tmp_path / "whole"), logits(tmp_path / "out"))


def test_the_weights_are_not_copied(tmp_path: Path) -> None:
    source = pickled(tmp_path)
    convert(source, tmp_path / "overlay")
    written = sum(path.stat().st_size for path in (tmp_path / "overlay").iterdir())
    assert written < (source / "pytorch_model.bin").stat().st_size / 10


def test_safetensors_beside_pickles_are_used_and_the_pickles_left(tmp_path: Path) -> None:
    source = pickled(tmp_path)
    (tmp_path / "whole" / "model.safetensors").rename(source / "model.safetensors")
    found = inspect(source)
    assert (found.kind, "pytorch_model.bin" in found.left) == ("hf", True)


def test_a_second_set_of_pickles_is_refused_and_both_files_are_named(tmp_path: Path) -> None:
    source = pickled(tmp_path)
    (source / "pytorch_model-00001-of-00001.bin").write_bytes((source / "pytorch_model.bin").read_bytes())
    with pytest.raises(TensorDuplicatedError) as refused:
        convert(source, tmp_path / "overlay")
    assert "model-00001-of-00001.safetensors" in str(refused.value)
    assert not list((tmp_path / "overlay").glob("*.overlay"))


def test_a_trainers_output_folder_is_answered_with_the_adapters_below_it(tmp_path: Path) -> None:
    for folder in ("checkpoint-100/sft", "checkpoint-200/sft"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "adapter_config.json").write_text("{}")
        (tmp_path / folder / "adapter_model.safetensors").write_bytes(b"")
    for look in (inspect, lambda folder: peft_adapter(folder, tmp_path / "work")):
        with pytest.raises(SourceUnrecognisedError, match="subfolders checkpoint-100/sft, checkpoint-200/sft"):
            look(tmp_path)
