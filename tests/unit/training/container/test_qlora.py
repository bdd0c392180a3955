"""QLoRA on the CPU: a base in 4 bits, whole or sharded. The project's requirements leave bitsandbytes out."""

from __future__ import annotations

import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest

from include.training.container import base_model
from include.training.container.errors import PackageMissingError
from include.training.container.settings import Lora, Settings
from tests.support.tiny_training import NO_DROPOUT, SETTINGS, make_job
from tests.support.training_processes import ForkedJob, adapter_bytes, run_job

QLORA = {"method": "qlora", "epochs": 1}
#: Blocks of 64 weights share a scale, so the matrices must be large enough to have several.
SIZES = {"hidden_size": 64, "intermediate_size": 128}
needs_bitsandbytes = pytest.mark.skipif(
    find_spec("bitsandbytes") is None,
    reason="bitsandbytes is not installed: see docs/training-script.md, Tested",
)


def test_without_bitsandbytes_qlora_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "find_spec", lambda name: None)
    settings = Settings(**SETTINGS | QLORA | {"lora": Lora(**SETTINGS["lora"])})
    with pytest.raises(PackageMissingError, match=r"requirements-qlora\.txt, or set method to lora"):
        base_model.check_base(tmp_path, settings)


@needs_bitsandbytes
def test_a_sharded_base_in_4_bits_has_the_losses_of_a_whole_one_and_those_differ_from_lora(tmp_path: Path) -> None:
    folders = make_job(tmp_path / "qlora", QLORA | NO_DROPOUT, **SIZES)
    whole = run_job(folders)
    shutil.rmtree(folders.checkpoints)
    sharded = run_job(folders, world=2)
    assert sharded.losses() == pytest.approx(whole.losses(), rel=1e-4)
    assert sharded.losses("held_out_loss") == pytest.approx(whole.losses("held_out_loss"), rel=1e-4)
    unquantised = run_job(make_job(tmp_path / "lora", NO_DROPOUT | {"epochs": 1}, **SIZES)).losses()
    assert whole.losses() != pytest.approx(unquantised, rel=1e-4)
    assert whole.losses() == pytest.approx(unquantised, rel=0.05)


@needs_bitsandbytes
@pytest.mark.parametrize("world", [1, 2])
def test_a_stopped_qlora_ends_with_the_adapter_of_an_undisturbed_one(tmp_path: Path, world: int) -> None:
    undisturbed, interrupted = (make_job(tmp_path / name, QLORA, **SIZES) for name in ("undisturbed", "interrupted"))
    run_job(undisturbed, world)
    stopped = ForkedJob(interrupted, world)
    stopped.wait_for("step=2 of ")
    stopped.send(signal.SIGTERM)
    assert stopped.wait() == 143
    run_job(interrupted, world)
    assert adapter_bytes(interrupted) == adapter_bytes(undisturbed)
