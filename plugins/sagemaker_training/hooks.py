"""The hook for training jobs: SageMakerHook with the waiters it lacks and look-ups that know "not there"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook
from botocore.exceptions import ClientError

from aws_waits.hooks import ConnectionConfigHook

WAITER_PATH = Path(__file__).with_name("waiters") / "sagemaker.json"
#: DescribeTrainingJob answers ValidationException for a name that does not exist.
NOT_FOUND_CODES = ("ResourceNotFound", "ValidationException")


class SageMakerTrainingHook(ConnectionConfigHook, SageMakerHook):
    """Interact with training jobs; takes the arguments of AwsBaseHook."""

    @property
    def waiter_path(self) -> Path:
        """The waiter file of this package."""
        return WAITER_PATH

    def find_training_job(self, job_name: str) -> dict[str, Any] | None:
        """Return DescribeTrainingJob's answer for this name, or None if there is no such job."""
        client: Any = self.conn
        try:
            found: dict[str, Any] = client.describe_training_job(TrainingJobName=job_name)
        except ClientError as error:
            if error.response["Error"]["Code"] in NOT_FOUND_CODES:
                return None
            raise
        return found

    def has_artifact(self, job: dict[str, Any]) -> bool:
        """Return whether the model that a completed job wrote is still in S3."""
        uri = job.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        s3 = S3Hook(aws_conn_id=self.aws_conn_id, region_name=self.region_name, verify=self.verify)
        return bool(key) and s3.check_for_key(key, bucket)
