"""A sound base and an adapter for the tests of checkpoints."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from peft import LoraConfig

from tests.support.tiny_models import make_model, save_adapter, save_model


@pytest.fixture(scope="session")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound bf16 Mistral in three shards; not to be changed."""
    return save_model(make_model(), tmp_path_factory.mktemp("base") / "mistral", "100KB")


@pytest.fixture
def own_base(base_dir: Path, tmp_path: Path) -> Path:
    """A copy of the base that a test may break."""
    return Path(shutil.copytree(base_dir, tmp_path / "own_base"))


@pytest.fixture(scope="session")
def adapter_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA on q and v for ``base_dir``."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    return save_adapter(make_model(), tmp_path_factory.mktemp("adapter") / "qv", config)
