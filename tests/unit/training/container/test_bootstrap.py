"""The job's entrypoint, from a copy of the folder as the job gets it: without the rest of the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from include.training.container import bootstrap
from include.training.container.folders import Folders
from tests.support.tiny_training import make_job, ship
from tests.support.training_processes import steps_done

ONE_HOST = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
TWO_HOSTS = {"current_host": "algo-2", "hosts": ["algo-2", "algo-1"], "network_interface_name": "eth0"}


def run_entrypoint(script: Path, folders: Folders, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**clean, "ML_ROOT": str(folders.root), **environment}
    return subprocess.run(
        [sys.executable, str(script)], cwd=folders.root, env=environment, capture_output=True, text=True, check=False
    )


def test_the_shipped_folder_trains_without_the_rest_of_the_project(tmp_path: Path) -> None:
    folders = make_job(tmp_path, {"epochs": 1})
    done = run_entrypoint(ship(folders), folders)
    assert done.returncode == 0, done.stderr
    assert (folders.model / "adapter_model.safetensors").exists()
    assert steps_done(folders) > 0


def test_a_job_has_a_process_for_each_gpu_or_as_many_as_the_hyperparameter_says() -> None:
    command = bootstrap.torchrun(ONE_HOST, {}, Path("settings.json"))
    assert command[command.index("--nproc-per-node") + 1] in ("1", "gpu")
    assert "--standalone" in command
    asked = bootstrap.torchrun(ONE_HOST, {"processes": "2"}, Path("settings.json"))
    assert asked[asked.index("--nproc-per-node") + 1] == "2"


def test_machines_of_a_job_meet_at_the_first_over_the_jobs_network() -> None:
    command = bootstrap.torchrun(TWO_HOSTS, {}, Path("settings.json"))
    options = "--nnodes 2 --node-rank 1 --master-addr algo-1 --master-port 29500"
    assert options in " ".join(command)
    found = bootstrap.environment(TWO_HOSTS)
    assert (found["NCCL_SOCKET_IFNAME"], found["GLOO_SOCKET_IFNAME"]) == ("eth0", "eth0")
    assert "NCCL_SOCKET_IFNAME" not in bootstrap.environment(ONE_HOST)


def test_torchrun_waits_for_a_checkpoint_nearly_as_long_as_sagemaker_does() -> None:
    assert bootstrap.environment({})["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] == "110"


def test_only_qlora_needs_bitsandbytes(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"method": "qlora"}))
    assert bootstrap.method_of(settings) == "qlora"
    assert [pin for pin in bootstrap.missing("lora") if "bitsandbytes" in pin] == []
    assert bootstrap.method_of(tmp_path / "missing.json") == "lora"


def make_wheel(folder: Path) -> None:
    """Write a wheel that holds one empty module."""
    folder.mkdir(parents=True)
    info = "tiny_wheel-1.0.dist-info"
    files = {
        "tiny_wheel.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-wheel\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": f"tiny_wheel.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
    }
    with zipfile.ZipFile(folder / "tiny_wheel-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)


def test_missing_packages_come_from_the_channel_of_wheels_and_not_from_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "site"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    make_wheel(tmp_path / "wheels")
    bootstrap.install(["tiny-wheel==1.0"], tmp_path / "wheels")
    assert (tmp_path / "site" / "tiny_wheel.py").exists()


def test_a_package_that_cannot_be_installed_ends_the_job_with_what_to_do(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "ml")
    script = ship(folders, "tiny-wheel==1.0\n")
    folders.channel("wheels").mkdir(parents=True)
    assert run_entrypoint(script, folders, PIP_TARGET=str(tmp_path / "site")).returncode == 1
    assert "give a channel named wheels" in folders.failure.read_text("utf-8")
