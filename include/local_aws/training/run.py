"""Runs one training job: input from S3, the entrypoint as a process, checkpoints to S3 meanwhile, results to S3."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

from botocore.exceptions import ClientError

from include.local_aws.settings import Settings
from include.local_aws.training.container import environment, write_layout
from include.local_aws.training.faults import NO_CAPACITY, TrainingFaults
from include.local_aws.training.files import (
    ChannelEmptyError,
    KeyOutsideError,
    Mirror,
    bytes_below,
    download_channel,
    upload_archive,
)
from include.local_aws.training.job_log import JobLog
from include.local_aws.training.record import MESSAGES, TrainingRecord

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.2
FAILURE_BYTES, LOG_CHARACTERS = 900, 500
"""How much of output/failure, or else of the log, a FailureReason holds."""
LOOK_AT_DISK_SECONDS = 2.0
INTERRUPTED = "Interrupted"
DISK_FULL = "DiskFull"
STOPPED_BY_SERVICE = {"stop": "Stopped", "runtime": "MaxRuntimeExceeded", "wait": "MaxWaitTimeExceeded"}


class TrainingRun:
    """One job. ``run`` is the work of its thread."""

    def __init__(self, record: TrainingRecord, s3: Any, folder: Path, settings: Settings, faults: TrainingFaults):
        self.record, self._s3, self._folder = record, s3, folder
        self._settings, self._faults, self._request = settings, faults, dict(record.request)
        self.stop_asked = Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._group: int | None = None
        self._created, self._trained = time.monotonic(), 0.0
        self._mirror: Mirror | None = None
        self._log = self._new_log()
        self._next_look_at_disk = 0.0

    def run(self) -> None:
        """Take the job to its end."""
        try:
            if not self._faults.take_capacity():
                self.record.fail(NO_CAPACITY, 0)
                return
            if ending := self._wait_for_capacity(self._faults.take_delay()):
                self.record.end(ending, 0, None)
                return
            while (ending := self._attempt()) == INTERRUPTED:
                self.record.move("Restarting")
            self._end(ending)
        except (ClientError, ChannelEmptyError, KeyOutsideError) as error:
            self.record.fail(f"ClientError: Data download or upload failed: {error}", self._trained)
        except Exception as error:
            logger.exception("The training job %s failed inside the stand-in", self.record.name)
            self.record.fail(f"InternalServerError: the stand-in for AWS failed: {error!r}", self._trained)
        finally:
            self.kill()
            shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """End the entrypoint and what it has started, at once."""
        group, process = self._group, self._process
        if group is not None:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if process is not None and process.poll() is not None:
            self._group = None  # its number may come again

    def _wait_for_capacity(self, seconds: float) -> str:
        """Wait for an instance; return one of STOPPED_BY_SERVICE when the job ended before there was one."""
        end = time.monotonic() + seconds
        if seconds:
            self.record.move("Starting", message=MESSAGES["NoCapacity"])
        while time.monotonic() < end:
            if self.stop_asked.wait(POLL_SECONDS):
                return STOPPED_BY_SERVICE["stop"]
            if self._waited_too_long():
                return STOPPED_BY_SERVICE["wait"]
        return ""

    def _attempt(self) -> str:
        """Run the entrypoint once; return INTERRUPTED, one of STOPPED_BY_SERVICE, or "" when it ended by itself."""
        shutil.rmtree(self._folder, ignore_errors=True)
        write_layout(self._folder, self._request)
        self.record.move("Downloading")
        for channel in self._request.get("InputDataConfig", ()):
            download_channel(self._s3, channel, self._folder / "input/data")
        self._restore_checkpoints()
        self._log = self._new_log()
        self.record.move("Training")
        started = time.monotonic()
        try:
            self._start()
            ending = self._watch()
        finally:
            self._trained += time.monotonic() - started
        self._look()
        if ending == INTERRUPTED:
            self.record.move("Interrupted")
        return ending

    def _new_log(self) -> JobLog:
        definitions = self._request["AlgorithmSpecification"].get("MetricDefinitions", ())
        return JobLog(self._folder / "log.txt", definitions)

    def _restore_checkpoints(self) -> None:
        if place := self._request.get("CheckpointConfig"):
            self._mirror = Mirror(self._s3, self._folder / "checkpoints", place["S3Uri"])
            self._mirror.restore()

    def _start(self) -> None:
        specification = self._request["AlgorithmSpecification"]
        command = [*specification["ContainerEntrypoint"], *specification.get("ContainerArguments", ())]
        kib = str(round(self._settings.training_memory_gb * 2**20))
        bounded = ["/bin/bash", "-c", 'ulimit -v "$0" && exec "$@"', kib, *command]
        with self._log.path.open("wb") as log:
            self._process = subprocess.Popen(
                bounded,
                cwd=self._folder / "code",
                env=environment(self._folder, self._request, self.record.job.arn, self._settings.training_packages),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._group = self._process.pid

    def _watch(self) -> str:
        """Wait for the end of the entrypoint, or end it: SIGTERM, and SIGKILL after the time that SageMaker gives."""
        ending, kill_at = "", float("inf")
        started = time.monotonic()
        process = self._process
        while process is not None and process.poll() is None:
            if not ending and (ending := self._reason_to_end(started)):
                process.terminate()
                kill_at = time.monotonic() + self._settings.training_stop_seconds
            if time.monotonic() > kill_at:
                self.kill()
            self._look()
            time.sleep(POLL_SECONDS)
        self.kill()  # what the entrypoint has left behind
        return ending

    def _reason_to_end(self, started: float) -> str:
        limits, now = self._request["StoppingCondition"], time.monotonic()
        if self.stop_asked.is_set():
            return STOPPED_BY_SERVICE["stop"]
        if self._trained + now - started > limits.get("MaxRuntimeInSeconds", 86400):
            return STOPPED_BY_SERVICE["runtime"]
        if self._waited_too_long():
            return STOPPED_BY_SERVICE["wait"]
        if self._disk_is_full():
            return DISK_FULL
        return INTERRUPTED if self._faults.take_interruption(self.record.name) else ""

    def _waited_too_long(self) -> bool:
        longest: float = self._request["StoppingCondition"].get("MaxWaitTimeInSeconds", float("inf"))
        return time.monotonic() - self._created > longest

    def _disk_is_full(self) -> bool:
        if time.monotonic() < self._next_look_at_disk:
            return False
        self._next_look_at_disk = time.monotonic() + LOOK_AT_DISK_SECONDS
        return bytes_below(self._folder) > self._settings.training_disk_gb * 1e9

    def _look(self) -> None:
        if self._mirror is not None:
            self._mirror.copy_changes()
        self._log.read_on()
        if self._log.metrics:
            self.record.measure(self._log.metrics)

    def _end(self, ending: str) -> None:
        code = self._process.returncode if self._process is not None else 1
        if ending == DISK_FULL:
            found = f"the files of the job fill more than {self._settings.training_disk_gb:g} GB"
            self.record.fail(f"ClientError: Please use an instance type with more storage: {found}", self._trained)
            return
        if code and not ending:
            self.record.fail(f"AlgorithmError: {self._failure()}, exit code: {code}", self._trained)
            return
        if not ending or ending == STOPPED_BY_SERVICE["runtime"]:
            self.record.move("Uploading")
        place = f"{self._request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.record.name}/output"
        upload_archive(self._s3, self._folder / "output/data", f"{place}/output.tar.gz")
        artifact = upload_archive(self._s3, self._folder / "model", f"{place}/model.tar.gz")
        self.record.end(ending or "Completed", self._trained, artifact)

    def _failure(self) -> str:
        """Return what the script says of its failure, else the end of its log."""
        said = self._folder / "output/failure"
        log = self._log.end(LOG_CHARACTERS)
        logger.warning("The training job %s failed:\n%s", self.record.name, log)
        if not said.is_file():
            return log
        with said.open("rb") as file:
            return file.read(FAILURE_BYTES).decode("utf-8", "replace")
