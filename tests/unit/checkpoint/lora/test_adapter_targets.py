"""Which modules an adapter's configuration names, compared with peft's own matching."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from peft import LoraConfig, TaskType, get_peft_model
from peft.tuners.tuners_utils import check_target_module_exists

from include.checkpoint.lora.adapter import AdapterConfig
from include.checkpoint.lora.adapter_settings import KNOWN_SETTINGS
from include.checkpoint.lora.adapter_targets import is_saved_whole, is_targeted
from tests.support.tiny_models import make_model

MODULES = [
    *(name for name, _ in make_model("mistral").named_modules() if name),
    *(name for name, _ in make_model("mixtral").named_modules() if name),
]
TARGETS: list[dict[str, Any]] = [
    {"target_modules": ["q_proj", "v_proj"]},
    {"target_modules": ["proj"]},
    {"target_modules": ["model.layers.0.self_attn.q_proj", "w1", "gate", "lm_head", "embed_tokens"]},
    {"target_modules": r".*\.(q|k)_proj"},
    {"target_modules": r"model\.layers\.1\..*"},
    {"target_modules": ["q_proj", "w2"], "layers_to_transform": [1]},
    {"target_modules": ["q_proj", "w2"], "layers_to_transform": 0},
    {"target_modules": ["q_proj", "w2"], "layers_to_transform": []},
    {"target_modules": ["q_proj", "w2"], "layers_to_transform": [0, 7], "layers_pattern": "layers"},
    {"target_modules": ["q_proj", "w2"], "layers_to_transform": [1], "layers_pattern": ["blocks", "layers"]},
    {"target_modules": ["q_proj", "w2"], "layers_to_transform": [1], "layers_pattern": ["blocks"]},
    {"target_modules": ["q_proj", "v_proj"], "exclude_modules": ["v_proj", "model.layers.0.self_attn.q_proj"]},
    {"target_modules": ["q_proj", "v_proj"], "exclude_modules": r".*layers\.0.*"},
    {"target_modules": ["q_proj", "lm_head"], "modules_to_save": ["lm_head", "self_attn"]},
]


@pytest.mark.parametrize("settings", TARGETS, ids=str)
def test_the_targeted_modules_are_pefts(settings: dict[str, Any]) -> None:
    ours, theirs = AdapterConfig("LORA", **settings), LoraConfig(**settings)

    def is_targeted_by_peft(module: str) -> bool:
        found = check_target_module_exists(theirs, module)
        return bool(found) and "Excluded" not in type(found).__name__

    assert [is_targeted(ours, name) for name in MODULES] == [is_targeted_by_peft(name) for name in MODULES]


@pytest.mark.parametrize("family", ["mistral", "mixtral"])
def test_all_linear_means_what_it_means_to_peft(family: str) -> None:
    model = make_model(family)
    matrices = [name.removesuffix(".weight") for name, weight in model.named_parameters() if weight.dim() > 1]
    ours = [name for name in matrices if is_targeted(AdapterConfig("LORA", target_modules="all-linear"), name)]

    tuned = get_peft_model(model, LoraConfig(target_modules="all-linear", task_type=TaskType.CAUSAL_LM))

    assert sorted(ours) == sorted(tuned.base_model.targeted_module_names)


@pytest.mark.parametrize("names", [["norm"], ["lm_head", "embed_tokens"], ["mlp"], ["layers.1.mlp"]], ids=str)
def test_the_modules_saved_whole_are_pefts(names: list[str]) -> None:
    model = make_model()
    parameters = [name for name, _ in model.named_parameters()]
    ours = [n for n in parameters if is_saved_whole(AdapterConfig("LORA", modules_to_save=names), n.rpartition(".")[0])]

    tuned = get_peft_model(model, LoraConfig(target_modules=["q_proj"], modules_to_save=names))

    saved = [n for n, weight in tuned.named_parameters() if weight.requires_grad and "lora_" not in n]
    plain = {n.removeprefix("base_model.model.").replace(".modules_to_save.default", "") for n in saved}
    assert set(ours) == plain


def test_every_setting_of_pefts_lora_is_known() -> None:
    assert {item.name for item in fields(LoraConfig) if item.init} <= KNOWN_SETTINGS
