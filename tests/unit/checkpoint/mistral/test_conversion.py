"""Raw Mistral → Hugging Face: the same tensors, the same logits, the same tokens."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM

from include.checkpoint import errors
from include.checkpoint.checks.validation import validate
from include.checkpoint.lora.merging import merge
from include.checkpoint.mistral.conversion import convert
from include.checkpoint.writing.materialize import materialize
from include.errors import ModelImportError
from tests.support.raw_forward import raw_logits
from tests.support.raw_mistral import raw_params, raw_state, save_raw
from tests.support.tiny_models import (
    equal_bits,
    load_weights,
    make_model,
    make_tokenizer,
    merged_by_peft,
    save_adapter,
    save_model,
)

LAYOUTS = [
    ("mistral", "safetensors"),
    ("mistral", "pth"),
    ("mistral", "names split"),
    ("mistral", "tensors split"),
    ("mixtral", "safetensors"),
    ("mixtral", "pth"),
    ("mixtral", "names split"),
    ("mixtral", "stacked experts"),
]


def _raw(folder: Path, family: str = "mistral", kind: str = "safetensors", **config: Any) -> Path:
    save_raw(make_model(family, **config), folder, kind)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("family", "kind"), LAYOUTS)
def test_every_tensor_is_transformers_own(family: str, kind: str, tmp_path: Path) -> None:
    checkpoint = convert(_raw(tmp_path / "raw", family, kind), tmp_path / "overlay")
    materialize(checkpoint, tmp_path / "hf")

    assert equal_bits(load_weights(tmp_path / "hf"), dict(make_model(family).state_dict()))
    assert not validate(checkpoint).errors


@pytest.mark.parametrize("family", ["mistral", "mixtral"])
def test_the_converted_model_computes_what_the_raw_weights_mean(family: str, tmp_path: Path) -> None:
    model = make_model(family, torch.float32)
    save_raw(model, tmp_path / "raw")
    make_tokenizer().save_pretrained(tmp_path / "raw")
    materialize(convert(tmp_path / "raw", tmp_path / "overlay"), tmp_path / "hf")
    tokens = torch.arange(3, 40)

    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")(tokens[None]).logits[0].double()

    torch.testing.assert_close(ours, raw_logits(raw_state(model), raw_params(model), tokens), rtol=1e-4, atol=1e-4)


def test_only_q_and_k_are_written(tmp_path: Path) -> None:
    checkpoint = convert(_raw(tmp_path / "raw"), tmp_path / "overlay")

    weights = checkpoint.file("model.safetensors")
    written = [segment for segment in weights.segments[1:] if segment.uri.endswith("convert.overlay")]
    assert sum(segment.length for segment in written) == 2 * (64 * 64 + 32 * 64) * 2
    assert {Path(s.uri).name for s in weights.segments} == {"convert.overlay", "consolidated.safetensors"}


def test_a_large_model_is_cut_into_shards_with_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.checkpoint.mistral.conversion.MAX_SHARD_BYTES", 60_000)
    checkpoint = convert(_raw(tmp_path / "raw"), tmp_path / "overlay")

    assert sum(name.endswith(".safetensors") for name in checkpoint.names()) > 2
    assert all(file.size < 70_000 for file in checkpoint.files if file.name.startswith("model-"))
    assert not validate(checkpoint).errors


def test_raw_base_and_adapter_merge_without_a_copy_between(tmp_path: Path) -> None:
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    adapter = save_adapter(make_model(), tmp_path / "adapter", config)
    base = save_model(make_model(), tmp_path / "base")

    converted = convert(_raw(tmp_path / "raw"), tmp_path / "overlay")
    merged = merge(converted, adapter, tmp_path / "overlay").checkpoint
    materialize(merged, tmp_path / "merged")

    assert equal_bits(load_weights(tmp_path / "merged"), merged_by_peft(base, adapter, tmp_path / "theirs"))
    assert not validate(merged).errors


def test_what_params_json_does_not_say_is_assumed_and_noted(tmp_path: Path) -> None:
    folder = _raw(tmp_path / "raw")
    params = json.loads((folder / "params.json").read_text())
    del params["rope_theta"], params["max_seq_len"]
    (folder / "params.json").write_text(json.dumps(params | {"sliding_window": "4096", "novelty": 1}))

    checkpoint = convert(folder, tmp_path / "overlay")
    materialize(checkpoint, tmp_path / "hf")

    config = json.loads((tmp_path / "hf/config.json").read_text())
    assert (config["rope_theta"], config["sliding_window"], config["max_position_embeddings"]) == (10000.0, 4096, 32768)
    notes = " ".join(checkpoint.notes)
    assert "rope_theta; 10000 was assumed" in notes
    assert "32768 was assumed" in notes
    assert "novelty is not known" in notes


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"vision_encoder": {"hidden_size": 8}}, errors.RawVariantError),
        ({"model_type": "mamba"}, errors.RawVariantError),
        ({"quantization": {"qformat_weight": "fp8"}}, errors.RawVariantError),
        ({"dim": "wide"}, errors.RawParamsError),
        ({"n_heads": 3}, errors.RawTensorError),
        ({"n_heads": 0, "head_dim": None}, errors.RawParamsError),
        ({"n_layers": 10**12}, errors.RawParamsError),
    ],
)
def test_a_raw_model_that_cannot_be_converted_is_refused(
    change: dict[str, Any], error: type[ModelImportError], tmp_path: Path
) -> None:
    folder = _raw(tmp_path / "raw")
    params = json.loads((folder / "params.json").read_text())
    (folder / "params.json").write_text(json.dumps(params | change))

    with pytest.raises(error):
        convert(folder, tmp_path / "overlay")
    assert not list((tmp_path / "overlay").glob("*.overlay")) if (tmp_path / "overlay").exists() else True


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this pickle ran code",))


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _raw(tmp_path / "raw")
    (folder / "consolidated.safetensors").unlink()
    torch.save({"norm.weight": _Evil()}, folder / "consolidated.00.pth")

    with pytest.raises(errors.PickleRefusedError):
        convert(folder, tmp_path / "overlay")
    assert capsys.readouterr().out == ""


def test_an_older_pickle_is_refused_with_a_remedy(tmp_path: Path) -> None:
    folder = _raw(tmp_path / "raw")
    (folder / "consolidated.safetensors").unlink()
    (folder / "consolidated.00.pth").write_bytes(pickle.dumps({"norm.weight": [1.0]}))

    with pytest.raises(errors.PickleRefusedError, match="save it as safetensors"):
        convert(folder, tmp_path / "overlay")
