"""Two processes of gloo on the CPU: they share the weights, and train as one process does."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from torch.distributed.tensor import DTensor

from include.training.container.adapter_model import add_adapter, place, trained_parameters
from include.training.container.base_model import load_base
from include.training.container.folders import Folders
from include.training.container.processes import joined_processes
from include.training.container.settings import read_settings
from tests.support.tiny_training import NO_DROPOUT, SETTINGS, change_settings, make_job
from tests.support.training_processes import ForkedJob, adapter_bytes, run_job, steps_done


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> ForkedJob:
    """A job of two processes, with dropout."""
    return run_job(make_job(tmp_path_factory.mktemp("undisturbed"), {"epochs": 1}), world=2)


def copy_of(job: Folders, folder: Path) -> Folders:
    shutil.copytree(job.root / "input", folder / "input")
    return Folders(folder)


def count_shards(folders: Folders) -> int:
    """In one of several processes: write how many parameters it has, how many are sharded, and the bytes it holds."""
    settings = read_settings(folders.settings)
    with joined_processes() as processes:
        model = add_adapter(load_base(folders.channel("model"), settings, processes.device), settings)
        whole_bytes = sum(parameter.nbytes for parameter in model.parameters())
        placed = [*place(model, settings, processes).parameters()]
        sharded = [parameter for parameter in placed if isinstance(parameter, DTensor)]
        held = sum(parameter.to_local().nbytes for parameter in sharded)
        counts = {"parameters": len(placed), "sharded": len(sharded), "share": held / whole_bytes}
        counts["trained"] = len(trained_parameters(model))
        (folders.root / f"{processes.rank}.json").write_text(json.dumps(counts))
    return 0


def test_every_parameter_is_sharded_and_each_process_holds_half_of_the_bytes(tmp_path: Path) -> None:
    folders = make_job(tmp_path)
    job = ForkedJob(folders, world=2, work=lambda: count_shards(folders))
    assert job.wait() == 0, job.log()
    # One layer has 7 linear layers with two matrices of the adapter each, and 2 norms; beside it there are 3 more.
    expected = {"parameters": 26, "sharded": 26, "trained": 14}
    for rank in range(2):
        counts = json.loads((tmp_path / f"{rank}.json").read_text())
        assert counts.pop("share") == pytest.approx(0.5, abs=0.01)
        assert counts == expected


def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    folders = make_job(tmp_path, NO_DROPOUT | {"epochs": 1})
    one = run_job(folders)
    shutil.rmtree(folders.checkpoints)
    two = run_job(folders, world=2)
    assert two.losses() == pytest.approx(one.losses(), rel=1e-5)
    assert two.losses("held_out_loss") == pytest.approx(one.losses("held_out_loss"), rel=1e-5)
    assert two.losses("gradient_norm") == pytest.approx(one.losses("gradient_norm"), rel=1e-4)


def test_a_stopped_job_of_two_processes_ends_with_the_adapter_of_an_undisturbed_one(
    undisturbed: ForkedJob, tmp_path: Path
) -> None:
    folders = copy_of(undisturbed.folders, tmp_path)
    stopped = ForkedJob(folders, world=2)
    stopped.wait_for("step=2 of ")
    stopped.send(signal.SIGTERM)
    assert stopped.wait() == 143
    assert 1 <= steps_done(folders) < len(undisturbed.losses())
    run_job(folders, world=2)
    assert adapter_bytes(folders) == adapter_bytes(undisturbed.folders)


def test_a_checkpoint_of_two_processes_is_one_that_one_process_resumes(undisturbed: ForkedJob, tmp_path: Path) -> None:
    folders = copy_of(undisturbed.folders, tmp_path)
    shutil.copytree(undisturbed.folders.checkpoints, folders.checkpoints)
    run_job(folders)
    assert adapter_bytes(folders) == adapter_bytes(undisturbed.folders)


def test_in_bfloat16_the_adapter_stays_in_float32_and_the_losses_are_close(tmp_path: Path) -> None:
    folders = make_job(tmp_path, NO_DROPOUT | {"epochs": 1})
    exact = run_job(folders).losses()
    shutil.rmtree(folders.checkpoints)
    change_settings(folders, NO_DROPOUT | {"epochs": 1, "dtype": "bfloat16"})
    assert run_job(folders, world=2).losses() == pytest.approx(exact, rel=0.02)
    from safetensors.torch import load_file

    adapter = load_file(folders.model / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in adapter.values()} == {torch.float32}
    assert SETTINGS["lora"]["r"] in next(iter(adapter.values())).shape
