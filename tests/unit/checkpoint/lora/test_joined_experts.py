"""LoRA on the joined experts of transformers 5 against peft's own merge of the joined parameters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn

from include.checkpoint.lora.errors import AdapterIncompleteError, AdapterRankMismatchError, AdapterTensorShapeError
from tests.support.edited_adapters import edit_adapter, merge_to_folder, without
from tests.support.matrix_families import FAMILIES, make_base
from tests.support.tiny_models import load_weights

EXPERTS, LAYERS = 4, 2
# Family → the experts' place in the base, and their matrices: gate, up, down.
PLACES = {
    "Mixtral": ("block_sparse_moe.experts", ("w1", "w3", "w2")),
    "Qwen3-MoE": ("mlp.experts", ("gate_proj", "up_proj", "down_proj")),
}
TARGETS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]


class JoinedExperts(nn.Module):
    """A layer's experts as transformers 5 holds them."""

    def __init__(self, gate_up: torch.Tensor, down: torch.Tensor) -> None:
        super().__init__()
        self.gate_up_proj, self.down_proj = nn.Parameter(gate_up), nn.Parameter(down)


def _joined_model(base: dict[str, torch.Tensor], family: str) -> nn.Module:
    """The part of transformers 5's model that has the experts, under its names."""
    place, (gate, up, down) = PLACES[family]

    def stacked(layer: int, matrix: str) -> torch.Tensor:
        return torch.stack([base[f"model.layers.{layer}.{place}.{e}.{matrix}.weight"] for e in range(EXPERTS)])

    root, inner = nn.Module(), nn.Module()
    inner.layers = nn.ModuleList()
    for number in range(LAYERS):
        layer, mlp = nn.Module(), nn.Module()
        gate_up = torch.cat([stacked(number, gate), stacked(number, up)], dim=1)
        mlp.experts = JoinedExperts(gate_up, stacked(number, down))
        layer.mlp = mlp
        inner.layers.append(layer)
    root.model = inner
    return root


def _adapter(base: Path, family: str, folder: Path, **settings: object) -> PeftModel:
    config = LoraConfig(**{"r": 4, "lora_alpha": 16, "target_modules": [], "target_parameters": TARGETS} | settings)
    tuned = get_peft_model(_joined_model(load_weights(base), family), config)
    torch.manual_seed(3)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = 0.05 * torch.randn_like(parameter)
    tuned.save_pretrained(folder)
    return tuned


def _assert_joined(folder: Path, family: str, tuned: PeftModel) -> None:
    """Raise AssertionError unless the folder's experts, joined, are those that peft merges."""
    ours = _joined_model(load_weights(folder), family).state_dict()
    before = {name: tensor.clone() for name, tensor in tuned.state_dict().items() if "lora" not in name}
    merged = tuned.merge_and_unload().state_dict()
    for name, tensor in merged.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-6, atol=1e-7)
    assert not all(any(torch.equal(old, tensor) for old in before.values()) for tensor in merged.values())


@pytest.fixture(scope="module", params=PLACES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def base(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(FAMILIES[family], tmp_path_factory.mktemp("base") / family)


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"target_parameters": TARGETS[1:]}], ids=str)
def test_each_expert_gets_its_part_of_what_peft_merges(
    base: Path, family: str, settings: dict[str, object], tmp_path: Path
) -> None:
    tuned = _adapter(base, family, tmp_path / "adapter", **settings)

    merge_to_folder(base, tmp_path / "adapter", tmp_path)

    _assert_joined(tmp_path / "ours", family, tuned)


def test_the_earlier_order_of_peft_is_known_by_its_shapes(base: Path, family: str, tmp_path: Path) -> None:
    tuned = _adapter(base, family, tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    earlier = {}
    for name, tensor in load_file(weights).items():
        other = name.replace("lora_A", "lora_?").replace("lora_B", "lora_A").replace("lora_?", "lora_B")
        if "lora_B" in name:
            earlier[other] = tensor.view(tensor.shape[0], 4, EXPERTS).permute(2, 1, 0).reshape(-1, tensor.shape[0])
        else:
            earlier[other] = tensor.view(EXPERTS, 4, -1).permute(2, 1, 0).reshape(tensor.shape[1], -1)
    save_file({name: tensor.contiguous() for name, tensor in earlier.items()}, weights)

    merge_to_folder(base, tmp_path / "adapter", tmp_path)

    _assert_joined(tmp_path / "ours", family, tuned)


def test_experts_that_lost_tensors_or_have_another_rank_are_refused(base: Path, family: str, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    _adapter(base, family, adapter)
    with pytest.raises(AdapterRankMismatchError):
        merge_to_folder(base, edit_adapter(adapter, r=8), tmp_path)

    edit_adapter(adapter, r=4)
    _adapter(base, family, tmp_path / "lost")
    with pytest.raises(AdapterIncompleteError, match="target_modules"):
        merge_to_folder(base, edit_adapter(tmp_path / "lost", without("experts.lora")), tmp_path)

    edit_adapter(adapter, without("layers.1.mlp.experts.base_layer"))
    with pytest.raises(AdapterIncompleteError, match=r"layers\.1"):
        merge_to_folder(base, adapter, tmp_path)
    assert json.loads((adapter / "adapter_config.json").read_text())["target_parameters"]


def test_a_pair_that_fits_in_two_ways_is_refused(tmp_path: Path) -> None:
    base = make_base(FAMILIES["Mixtral"], tmp_path / "base")
    square = {n: t[:64] if ".w1." in n or ".w3." in n else t for n, t in load_weights(base).items()}
    square = {n: t[:, :64].contiguous() if ".w2." in n else t.contiguous() for n, t in square.items()}
    save_file(square, base / "model.safetensors", {"format": "pt"})
    _adapter(base, "Mixtral", tmp_path / "adapter", target_parameters=TARGETS[1:])

    with pytest.raises(AdapterTensorShapeError, match="fit in 2 ways"):
        merge_to_folder(base, tmp_path / "adapter", tmp_path)
