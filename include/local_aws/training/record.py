"""The record of a running training job, as DescribeTrainingJob answers it: moto's object, moved from state to state."""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock
from typing import Any

from moto.core.utils import utcnow

from include.local_aws.moto_patches.training_events import notify

MESSAGES = {
    "Starting": "Starting the training job",
    "NoCapacity": "Insufficient capacity error from EC2 while launching instances, retrying!",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Interrupted": "Training job was interrupted: its spot instance was taken back",
    "Restarting": "Starting again on another instance",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job exceeded MaxWaitTimeInSeconds provided",
}
FAILURE_REASON_LENGTH = 1024


class TrainingRecord:
    """One job's record. Every change of state is sent to EventBridge."""

    def __init__(
        self, job: Any, account_id: str, region_name: str, request: Mapping[str, Any], spot_share: float = 1
    ) -> None:
        self.job, self.account_id, self.region_name, self.request = job, account_id, region_name, request
        self._billed_share = spot_share if request.get("EnableManagedSpotTraining") else 1
        self._lock = RLock()
        job.algorithm_specification = dict(request["AlgorithmSpecification"])  # without moto's made-up metrics
        job.environment = dict(request.get("Environment", {}))
        job.model_artifacts = job.training_start_time = job.training_end_time = None
        job.training_job_status, job.final_metric_data_list, job.secondary_status_transitions = "InProgress", [], []
        self.move("Starting")

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.request["TrainingJobName"])

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.job.training_job_status not in ("InProgress", "Stopping")

    def move(self, secondary: str, status: str | None = None, message: str | None = None) -> None:
        """Change the state, and send the event."""
        with self._lock:
            moment = utcnow()
            if self.job.secondary_status_transitions:
                self.job.secondary_status_transitions[-1]["EndTime"] = moment
            self.job.secondary_status_transitions.append(
                {"Status": secondary, "StartTime": moment, "StatusMessage": message or MESSAGES[secondary]}
            )
            self.job.secondary_status, self.job.last_modified_time = secondary, moment
            self.job.training_job_status = status or self.job.training_job_status
            if secondary == "Training" and self.job.training_start_time is None:
                self.job.training_start_time = moment
            notify(self.account_id, self.region_name, self.job)

    def ask_to_stop(self) -> None:
        """Note StopTrainingJob; a job that has ended stays as it is."""
        with self._lock:
            if self.job.training_job_status == "InProgress":
                self.move("Stopping", "Stopping")

    def end(self, secondary: str, seconds: float, artifact: str | None) -> None:
        """Note the job's end; ``seconds`` are those in which its instances trained."""
        with self._lock:
            self._note_end(seconds, artifact)
            self.move(secondary, "Completed" if secondary == "Completed" else "Stopped")

    def fail(self, reason: str, seconds: float) -> None:
        """Note that the job failed, and why."""
        with self._lock:
            self._note_end(seconds, None)
            self.job.failure_reason = reason[:FAILURE_REASON_LENGTH]
            self.move("Failed", "Failed", "Training job failed")

    def _note_end(self, seconds: float, artifact: str | None) -> None:
        if self.job.training_start_time is not None:
            self.job.training_end_time = utcnow()
            self.job.training_time_in_seconds = max(1, round(seconds))
            self.job.billable_time_in_seconds = max(1, round(seconds * self._billed_share))
        self.job.model_artifacts = {"S3ModelArtifacts": artifact} if artifact else None

    def measure(self, metrics: Mapping[str, float]) -> None:
        """Note the last value of each metric."""
        self.job.final_metric_data_list = [
            {"MetricName": name, "Value": value, "Timestamp": utcnow()} for name, value in metrics.items()
        ]
