"""Training jobs as forks of the test's own process: torch and transformers are imported once, not for each job."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from include.training.container import train
from include.training.container.checkpoints import last_checkpoint
from include.training.container.folders import Folders

POLL_SECONDS = 0.005

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # or tokenizers warns of every fork


class ForkedJob:
    """One run of the training script in as many processes as asked for; its log is job.log in the job's folder."""

    def __init__(self, folders: Folders, world: int = 1, work: Callable[[], int] = lambda: train.main([])) -> None:
        self.folders, self.world = folders, world
        self.log_file = folders.root / "job.log"
        self.log_file.unlink(missing_ok=True)
        port = _free_port()
        self.pids = [self._fork(rank, port, work) for rank in range(world)]

    def log(self) -> str:
        """What all processes have printed so far."""
        return self.log_file.read_text("utf-8") if self.log_file.exists() else ""

    def losses(self, name: str = "train_loss") -> list[float]:
        """The values of one metric, in order."""
        return [float(value) for value in re.findall(rf"\b{name}=(\S+)", self.log())]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to every process."""
        for pid in self.pids:
            os.kill(pid, number)

    def wait_for(self, text: str) -> None:
        """Wait until the log holds a text; the job must not end before."""
        while text not in self.log():
            assert os.waitid(os.P_PID, self.pids[0], os.WEXITED | os.WNOHANG | os.WNOWAIT) is None, self.log()
            time.sleep(POLL_SECONDS)

    def wait(self) -> int:
        """Wait for the end of all processes; return the first one's exit code, or minus the signal that ended it."""
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in self.pids]
        return codes[0]

    def _fork(self, rank: int, port: int, work: Callable[[], int]) -> int:
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            self._become_job(rank, port)
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _become_job(self, rank: int, port: int) -> None:
        descriptor = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        sys.stdout = sys.stderr = os.fdopen(descriptor, "w", buffering=1)
        os.environ["ML_ROOT"] = str(self.folders.root)
        if self.world > 1:
            names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": self.world, "MASTER_PORT": port}
            os.environ.update({name: str(value) for name, value in names.items()}, MASTER_ADDR="127.0.0.1")


def run_job(folders: Folders, world: int = 1) -> ForkedJob:
    """Run a job to its end, which must be a success."""
    job = ForkedJob(folders, world)
    assert job.wait() == 0, job.log()
    return job


def steps_done(folders: Folders) -> int:
    """Return the step of the newest whole checkpoint, 0 without one."""
    checkpoint, _ = last_checkpoint(folders.checkpoints)
    return checkpoint.step if checkpoint else 0


def adapter_bytes(folders: Folders) -> dict[str, bytes]:
    """Return the adapter's two files."""
    return {name: (folders.model / name).read_bytes() for name in ("adapter_model.safetensors", "adapter_config.json")}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def files_below(folder: Path) -> set[str]:
    """Return the names of all files and folders below a folder, hidden ones too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
