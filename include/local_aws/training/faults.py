"""What a test or a demonstration makes happen to training jobs: POST /_local_aws/training/<fault>."""

from __future__ import annotations

from threading import Lock
from typing import Any

NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)


class TrainingFaults:
    """The faults that are scripted and have not happened yet."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._interruptions: dict[str, int] = {}
        self._without_capacity = 0
        self._late: list[float] = []

    def script(self, name: str, body: dict[str, Any]) -> bool:
        """Note a fault; False when there is none of this name.

        ``interrupt`` ({"job": name}) takes a spot instance away; ``no-capacity`` ({"jobs": 1}) fails the next jobs;
        ``late-capacity`` ({"seconds": 5}) makes the next job wait for its instance.
        """
        with self._lock:
            if name == "interrupt" and "job" in body:
                self._interruptions[body["job"]] = self._interruptions.get(body["job"], 0) + 1
            elif name == "no-capacity":
                self._without_capacity += int(body.get("jobs", 1))
            elif name == "late-capacity":
                self._late.append(float(body.get("seconds", 5)))
            else:
                return False
        return True

    def take_delay(self) -> float:
        """Return for how many seconds a job that starts now waits for an instance."""
        with self._lock:
            return self._late.pop(0) if self._late else 0

    def take_interruption(self, job_name: str) -> bool:
        """Return whether the job loses its instance now."""
        with self._lock:
            left = self._interruptions.pop(job_name, 0)
            if left > 1:
                self._interruptions[job_name] = left - 1
            return left > 0

    def take_capacity(self) -> bool:
        """Return whether there is an instance for a job that starts now."""
        with self._lock:
            self._without_capacity -= (lacking := self._without_capacity > 0)
            return not lacking
