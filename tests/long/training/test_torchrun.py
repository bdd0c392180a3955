"""The entrypoint as a container starts it, with two processes under torchrun: SIGTERM, and the loss of one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from include.training.container.folders import Folders
from tests.support.tiny_training import make_job, ship
from tests.support.training_processes import adapter_bytes, steps_done

pytestmark = pytest.mark.timeout(3600)
MANY_EPOCHS = {"epochs": 6, "save_minutes": 1e-9}


class Entrypoint:
    """The running entrypoint of a job."""

    def __init__(self, folders: Folders) -> None:
        self._log = folders.root / "job.log"
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(folders.channel("code") / "bootstrap.py")],
                env=environment | {"ML_ROOT": str(folders.root)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str) -> None:
        while text not in self._log.read_text("utf-8"):
            assert self.process.poll() is None, self._log.read_text("utf-8")
            time.sleep(0.02)

    def log(self) -> str:
        return self._log.read_text("utf-8")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return finished(start(tmp_path_factory.mktemp("undisturbed")))


def start(folder: Path) -> Folders:
    """Make a job of two processes."""
    folders = make_job(folder, MANY_EPOCHS)
    ship(folders)
    configuration = folder / "input" / "config"
    configuration.mkdir()
    (configuration / "hyperparameters.json").write_text(json.dumps({"processes": "2"}), "utf-8")
    return folders


def finished(folders: Folders) -> Folders:
    running = Entrypoint(folders)
    assert running.process.wait() == 0, running.log()
    return folders


def test_sigterm_to_the_entrypoint_ends_in_a_checkpoint_that_the_next_job_resumes(
    undisturbed: Folders, tmp_path: Path
) -> None:
    folders = start(tmp_path)
    running = Entrypoint(folders)
    running.wait_for("step=5 of ")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait() != 0
    assert "Stopped after" in running.log()
    assert not folders.failure.exists()
    assert steps_done(folders) >= 5
    assert adapter_bytes(finished(folders)) == adapter_bytes(undisturbed)


def test_a_killed_process_ends_the_job_and_the_next_one_resumes(undisturbed: Folders, tmp_path: Path) -> None:
    folders = start(tmp_path)
    running = Entrypoint(folders)
    running.wait_for("step=7 of ")
    psutil.Process(running.process.pid).children()[-1].kill()
    assert running.process.wait() != 0
    assert steps_done(folders) >= 6
    assert adapter_bytes(finished(folders)) == adapter_bytes(undisturbed)
