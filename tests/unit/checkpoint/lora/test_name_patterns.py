"""Patterns of adapter_config.json: as peft matches them, and never for long."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from peft.utils.other import get_pattern_key

from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.lora import name_patterns
from include.checkpoint.lora.adapter import AdapterConfig
from include.checkpoint.lora.errors import AdapterPatternError
from include.checkpoint.lora.merging import merge
from include.checkpoint.lora.name_patterns import refuse_patterns
from tests.support.tiny_models import make_model

MODULES = [name for name, _ in make_model("mistral").named_modules() if name]
# As peft's own documentation, EVA, Unsloth and LLaMA-Factory write them.
USUAL: list[str] = [
    "q_proj",
    "self_attn.q_proj",
    "model.layers.0.self_attn.k_proj",
    "^model.layers.1.mlp.up_proj",
    "q_proj|v_proj",
    r"model\.layers\.[01]\.mlp\..*",
    r".*\.(q|k|v)_proj",
    r"(?:.*?(?:language|text|model).*?(?:self_attn|attention|mlp).*?(?:q_proj|k_proj|up_proj).*?)",
    r"(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|mlp)\.(?:(?:q_proj|down_proj)))",
    r"^(?!.*(lm_head|embed)).*(?:gate|up)_proj$",
    r"^(model(?=\.).*\.(o_proj|down_proj))$",
]
HOSTILE = r"((model|layers|[a-z.0-9_])+)+!"


@pytest.mark.parametrize("pattern", USUAL)
def test_ranks_are_those_that_peft_gives(pattern: str) -> None:
    config = AdapterConfig("LORA", r=4, rank_pattern={pattern: 16, "v_proj": 2})
    refuse_patterns(config, MODULES)
    for module in MODULES:
        theirs = config.rank_pattern.get(get_pattern_key(config.rank_pattern.keys(), module), config.r)
        assert config.rank(module) == theirs, module


def test_a_rank_for_each_module_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_patterns, "run_limited", pytest.fail)
    config = AdapterConfig("LORA", rank_pattern=dict.fromkeys(MODULES, 3), modules_to_save=["lm_head"])
    refuse_patterns(config, MODULES)


@pytest.mark.parametrize(
    "settings",
    [
        {"rank_pattern": {HOSTILE: 8}},
        {"alpha_pattern": {HOSTILE: 8}},
        {"target_modules": HOSTILE},
        {"exclude_modules": HOSTILE},
        {"modules_to_save": [HOSTILE]},
        {"layers_pattern": HOSTILE},
        {"layers_pattern": ["layers", HOSTILE]},
    ],
    ids=lambda it: next(iter(it)),
)
def test_a_pattern_that_takes_for_ever_is_refused(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_patterns, "TRIAL", name_patterns.TRIAL._replace(seconds=1))
    with pytest.raises(AdapterPatternError):
        refuse_patterns(AdapterConfig("LORA", **settings), MODULES)


@pytest.mark.parametrize("pattern", ["(", "[", "(" * 5000 + ")" * 5000, "a{99999999999999999999}", "q" * 1_000_001])
@pytest.mark.parametrize("setting", ["rank_pattern", "target_modules", "modules_to_save"])
def test_what_is_no_pattern_is_refused(pattern: str, setting: str) -> None:
    value: Any = {"rank_pattern": {pattern: 8}, "target_modules": pattern, "modules_to_save": [pattern]}[setting]
    with pytest.raises(AdapterPatternError):
        refuse_patterns(AdapterConfig("LORA", **{setting: value}), MODULES)


def test_a_module_of_a_very_long_name_is_refused() -> None:
    with pytest.raises(AdapterPatternError, match="1001"):
        refuse_patterns(AdapterConfig("LORA"), ["a" * 1001])


@pytest.mark.parametrize("kind", ["LORA", "LOKR"])
def test_a_merge_refuses_a_hostile_pattern_before_it_matches_it(
    kind: str, base_dir: Path, adapter_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_patterns, "TRIAL", name_patterns.TRIAL._replace(seconds=1))
    hostile = Path(shutil.copytree(adapter_dir, tmp_path / "hostile"))
    config = json.loads((hostile / "adapter_config.json").read_text())
    config |= {"peft_type": kind, "rank_pattern": {HOSTILE: 4}}
    (hostile / "adapter_config.json").write_text(json.dumps(config))
    started = time.monotonic()
    with pytest.raises(AdapterPatternError, match="matched in 1 seconds"):
        merge(checkpoint_of_folder(base_dir), hostile, tmp_path / "overlay")
    assert time.monotonic() - started < 10
