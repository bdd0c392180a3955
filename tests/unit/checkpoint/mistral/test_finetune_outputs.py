"""What mistral-finetune saves: whole models whose params.json has a lora block, and LoRA matrices by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from include.checkpoint.converting import convert, peft_adapter
from include.checkpoint.errors import RawParamsError, RawTensorError
from include.checkpoint.inspection import inspect
from include.checkpoint.lora.merging import merge
from include.checkpoint.writing.materialize import materialize
from tests.support.raw_forward import raw_logits
from tests.support.raw_mistral import raw_params, raw_state, save_raw
from tests.support.tiny_models import make_model, make_tokenizer

RANK, SCALING = 4, 2.0
LINEARS = ("attention.wq", "attention.wk", "attention.wv", "attention.wo", "feed_forward.w1", "feed_forward.w2")
TOKENS = torch.arange(3, 40)


def _lora(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Matrices A and B of all linears, under the names that mistral-finetune gives them."""
    torch.manual_seed(5)
    matrices = {}
    for name, weight in state.items():
        if any(linear in name for linear in LINEARS):
            module = name.removesuffix(".weight")
            matrices[f"{module}.lora_A.weight"] = 0.2 * torch.randn(RANK, weight.shape[1])
            matrices[f"{module}.lora_B.weight"] = 0.2 * torch.randn(weight.shape[0], RANK)
    return matrices


def _adapter(folder: Path, **lora: object) -> Path:
    model = make_model("mistral", torch.float32)
    folder.mkdir()
    save_file(_lora(raw_state(model)), folder / "lora.safetensors")
    settings = {"enable": True, "rank": RANK, "dropout": 0.0, "scaling": SCALING, **lora}
    (folder / "params.json").write_text(json.dumps({**raw_params(model), "lora": settings, "moe": None}))
    return folder


def _logits(folder: Path) -> torch.Tensor:
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder)(TOKENS[None]).logits[0].double()


def test_a_lora_of_mistral_finetune_merged_into_a_raw_base_computes_what_was_trained(tmp_path: Path) -> None:
    model = make_model("mistral", torch.float32)
    make_tokenizer().save_pretrained(save_raw(model, tmp_path / "raw"))
    adapter = _adapter(tmp_path / "adapter")
    assert inspect(adapter).kind == "mistral_adapter"
    base = convert(tmp_path / "raw", tmp_path / "work")
    merged = merge(base, peft_adapter(adapter, tmp_path / "work"), tmp_path / "work").checkpoint
    materialize(merged, tmp_path / "out")
    state, lora = raw_state(model), _lora(raw_state(model))
    for name in [name for name in lora if ".lora_A." in name]:
        delta = SCALING * lora[name.replace("lora_A", "lora_B")] @ lora[name]
        state[name.replace(".lora_A", "")] += delta
    expected = raw_logits(state, raw_params(model), TOKENS)
    torch.testing.assert_close(_logits(tmp_path / "out"), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lora", [{"enable": True, "rank": 64, "scaling": 2.0}, {"enable": False, "rank": 0}])
def test_a_whole_model_of_mistral_finetune_is_converted_like_any_other(tmp_path: Path, lora: dict[str, object]) -> None:
    raw = save_raw(make_model(), tmp_path / "raw")
    make_tokenizer().save_pretrained(raw)
    params = json.loads((raw / "params.json").read_text())
    (raw / "params.json").write_text(json.dumps({**params, "lora": lora, "moe": None}))
    materialize(convert(raw, tmp_path / "work"), tmp_path / "out")
    torch.testing.assert_close(
        AutoModelForCausalLM.from_pretrained(tmp_path / "out", torch_dtype="auto").state_dict(),
        dict(make_model().state_dict()),
        rtol=0,
        atol=0,
    )


def test_a_consolidated_file_with_lora_matrices_is_refused_by_name(tmp_path: Path) -> None:
    raw = save_raw(make_model(), tmp_path / "raw")
    save_file(raw_state(make_model()) | _lora(raw_state(make_model())), raw / "consolidated.safetensors")
    with pytest.raises(RawTensorError, match=r"lora_A\.weight"):
        convert(raw, tmp_path / "work")


def test_an_adapter_that_does_not_say_its_scaling_is_refused(tmp_path: Path) -> None:
    adapter = _adapter(tmp_path / "adapter")
    params = json.loads((adapter / "params.json").read_text())
    (adapter / "params.json").write_text(json.dumps(params | {"lora": {"rank": RANK}}))
    with pytest.raises(RawParamsError, match="scaling"):
        peft_adapter(adapter, tmp_path / "work")
