"""What a merge refuses, and that it leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from include.checkpoint import errors
from include.checkpoint.checks.validation import validate
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.segments import Segment
from include.checkpoint.lora.errors import AdapterTensorUnusedError
from include.checkpoint.lora.lora_math import LinearDelta
from include.checkpoint.lora.merging import merge
from include.checkpoint.writing.materialize import materialize
from include.checkpoint.writing.overlay import Overlay
from include.errors import ModelImportError
from tests.support.tiny_models import (
    load_weights,
    make_model,
    save_adapter,
    save_model,
)

Edit = Callable[[dict[str, torch.Tensor], dict[str, Any]], None]


def _edited(adapter_dir: Path, out: Path, edit: Edit) -> Path:
    shutil.copytree(adapter_dir, out)
    tensors, config = (
        load_file(out / "adapter_model.safetensors"),
        json.loads((out / "adapter_config.json").read_text()),
    )
    edit(tensors, config)
    save_file(tensors, out / "adapter_model.safetensors")
    (out / "adapter_config.json").write_text(json.dumps(config))
    return out


def _zero(tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    for name, tensor in tensors.items():
        if "lora_B" in name:
            tensor.zero_()


def _other_width(tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    for name, tensor in list(tensors.items()):
        if "lora_A" in name:
            tensors[name] = torch.cat([tensor, tensor], dim=1)


def _other_names(tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    for name in list(tensors):
        tensors[name.replace("layers.1", "layers.7")] = tensors.pop(name)


def _half_pair(tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    del tensors[next(name for name in tensors if "lora_B" in name)]


def _nan(tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    next(tensor for name, tensor in tensors.items() if "lora_B" in name)[0, 0] = float("nan")


def _setting(**settings: Any) -> Edit:
    return lambda tensors, config: config.update(settings)


def _unknown_tensor(tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_mystery"] = torch.zeros(2)


def _longer_embedding(tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    tensors["base_model.model.model.embed_tokens.weight"] = torch.ones(140, 64)


REFUSED: list[tuple[str, Edit, type[ModelImportError]]] = [
    ("changes nothing", _zero, errors.AdapterEmptyError),
    ("another width", _other_width, errors.AdapterBaseMismatchError),
    ("other layers", _other_names, errors.AdapterBaseMismatchError),
    ("half a pair", _half_pair, errors.AdapterRefusedError),
    ("not a number", _nan, errors.NonFiniteError),
    ("layers copied in training", _setting(layer_replication=[[0, 1], [0, 2]]), errors.AdapterRefusedError),
    ("acts after invocation tokens only", _setting(alora_invocation_tokens=[3]), errors.AdapterRefusedError),
    ("an unknown tensor", _unknown_tensor, AdapterTensorUnusedError),
    ("a resized vocabulary whose head is in no file", _longer_embedding, errors.AdapterRefusedError),
    ("no peft_type", lambda tensors, config: config.pop("peft_type"), errors.AdapterConfigError),
    ("an unknown kind", _setting(peft_type="MYSTERY"), errors.AdapterRefusedError),
]


@pytest.mark.parametrize(("edit", "error"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_an_adapter_that_cannot_be_merged_right_is_refused(
    edit: Edit, error: type[ModelImportError], base_dir: Path, adapter_dir: Path, tmp_path: Path
) -> None:
    adapter = _edited(adapter_dir, tmp_path / "adapter", edit)

    with pytest.raises(error):
        merge(checkpoint_of_folder(base_dir), adapter, tmp_path / "overlay")
    assert not list(tmp_path.glob("overlay/*.overlay*[!k]"))


def test_a_quantized_base_is_refused_and_the_16_bit_one_named(
    own_base: Path, adapter_dir: Path, tmp_path: Path
) -> None:
    config = json.loads((own_base / "config.json").read_text())
    (own_base / "config.json").write_text(
        json.dumps(config | {"quantization_config": {"quant_method": "bitsandbytes"}})
    )
    name = "unsloth/mistral-7b-v0.3-bnb-4bit"
    adapter = _edited(adapter_dir, tmp_path / "adapter", _setting(base_model_name_or_path=name))

    with pytest.raises(errors.QuantizedBaseError, match=r"unsloth/mistral-7b-v0\.3\.$"):
        merge(checkpoint_of_folder(own_base), adapter, tmp_path / "overlay")


def test_a_qlora_adapter_is_merged_and_the_note_says_into_what(
    base_dir: Path, adapter_dir: Path, tmp_path: Path
) -> None:
    adapter = _edited(adapter_dir, tmp_path / "adapter", _setting(base_model_name_or_path="x/mistral-bnb-4bit"))

    notes = merge(checkpoint_of_folder(base_dir), adapter, tmp_path / "overlay").checkpoint.notes

    assert any("is quantized, and is merged into 16-bit weights" in note for note in notes)


def test_a_base_that_changed_since_it_was_read_is_refused(own_base: Path, adapter_dir: Path, tmp_path: Path) -> None:
    base = checkpoint_of_folder(own_base)
    shard = next(own_base.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes())

    with pytest.raises(errors.SourceChangedError):
        merge(base, adapter_dir, tmp_path / "overlay")


def test_a_resized_vocabulary_is_laid_out_anew(tmp_path: Path) -> None:
    model = make_model()
    base = save_model(make_model(), tmp_path / "base", "60KB")
    model.resize_token_embeddings(136)
    config = LoraConfig(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"], task_type="CAUSAL_LM")
    adapter = save_adapter(model, tmp_path / "adapter", config)

    result = merge(checkpoint_of_folder(base), adapter, tmp_path / "overlay")
    materialize(result.checkpoint, tmp_path / "merged")

    assert not validate(result.checkpoint).errors
    assert json.loads((tmp_path / "merged/config.json").read_text())["vocab_size"] == 136
    saved = load_file(adapter / "adapter_model.safetensors")["base_model.model.lm_head.weight"]
    assert torch.equal(load_weights(tmp_path / "merged")["lm_head.weight"], saved.bfloat16())


def test_a_pickled_adapter_merges_like_its_safetensors(base_dir: Path, adapter_dir: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    shutil.copytree(adapter_dir, pickled)
    torch.save(load_file(pickled / "adapter_model.safetensors"), pickled / "adapter_model.bin")
    (pickled / "adapter_model.safetensors").unlink()

    ours = merge(checkpoint_of_folder(base_dir), pickled, tmp_path / "a").proof
    assert ours == merge(checkpoint_of_folder(base_dir), adapter_dir, tmp_path / "b").proof


def test_a_kind_that_peft_merges_goes_through_peft(base_dir: Path, tmp_path: Path) -> None:
    from peft import LoHaConfig

    from tests.support.tiny_models import equal_bits, merged_by_peft

    config = LoHaConfig(r=4, alpha=8, target_modules=["q_proj"], task_type="CAUSAL_LM", init_weights=False)
    adapter = save_adapter(make_model(), tmp_path / "adapter", config)

    result = merge(checkpoint_of_folder(base_dir), adapter, tmp_path / "overlay")
    materialize(result.checkpoint, tmp_path / "ours")

    assert equal_bits(load_weights(tmp_path / "ours"), merged_by_peft(base_dir, adapter, tmp_path / "theirs"))
    assert result.proof["changed_tensors"] == 2


def test_a_base_too_large_for_peft_is_refused_before_it_is_loaded(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.checkpoint.lora.peft_merge.MEMORY_BASE", 2**60)
    adapter = _edited(adapter_dir, tmp_path / "adapter", _setting(init_lora_weights="pissa"))

    with pytest.raises(errors.MemoryShortError):
        merge(checkpoint_of_folder(base_dir), adapter, tmp_path / "overlay")


def test_the_proof_counts_what_changed_and_the_rest_is_the_bases_own_bytes(
    base_dir: Path, adapter_dir: Path, tmp_path: Path
) -> None:
    base = checkpoint_of_folder(base_dir)
    result = merge(base, adapter_dir, tmp_path / "overlay")

    proof = result.proof
    assert (proof["changed_tensors"], proof["unchanged_tensors"]) == (4, 17)
    assert proof["changed_bytes"] == 2 * (64 * 64 + 32 * 64) * 2
    assert 0 < proof["largest_deviation"] <= 1
    own = {segment for file in base.files for segment in file.segments}
    overlays = [s for file in result.checkpoint.files for s in file.segments if s not in own]
    assert {Path(segment.uri).name for segment in overlays} == {"merge.overlay"}
    assert sum(segment.length for segment in overlays) == (tmp_path / "overlay/merge.overlay").stat().st_size


def test_a_merge_that_came_out_wrong_is_not_accepted(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice_the_delta(change: LinearDelta, base: torch.Tensor, start: int) -> torch.Tensor:
        return right(replace(change, scaling=2 * change.scaling), base, start)

    right = LinearDelta.__call__
    monkeypatch.setattr(LinearDelta, "__call__", twice_the_delta)

    with pytest.raises(errors.MergeUnprovenError, match="base \\+ delta"):
        merge(checkpoint_of_folder(base_dir), adapter_dir, tmp_path / "overlay")
    assert not (tmp_path / "overlay" / "merge.overlay").exists()


def test_bytes_that_changed_on_their_way_to_the_disk_are_noticed(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def high_bits_lost(out: Overlay, segment: Segment, start: int, length: int) -> bytes:
        return bytes(byte & 0x3F for byte in read(out, segment, start, length))

    read = Overlay.read
    monkeypatch.setattr(Overlay, "read", high_bits_lost)

    with pytest.raises(errors.MergeUnprovenError):
        merge(checkpoint_of_folder(base_dir), adapter_dir, tmp_path / "overlay")
