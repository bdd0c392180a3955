"""The plan of one fine-tune: resolved configuration, identity and places, as small JSON that every task reads."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from include.aws.s3_uri import S3Uri
from include.config.model import ModelConfig
from include.config.names import SHORT_FINGERPRINT_LENGTH
from include.config.training import TrainingConfig
from include.run.workspace import Workspace
from include.training.errors import TrainingSectionMissingError
from include.training.training_record import TRAINING, training_prefix

_SECONDS = 3600
#: Beyond the job's own limit: for an answer of the service, the upload of the adapter, and a triggerer that restarts.
_MARGIN_SECONDS = 3600


class TrainingPlan(BaseModel):
    """The content, the job and the places of one run's fine-tune.

    ``content`` is the fingerprint of the inputs; ``fingerprint`` is another one when the run was forced.
    ``dollars_per_hour`` is the price on demand of all instances, None where it is not known.
    """

    model_config = ConfigDict(frozen=True)

    config: ModelConfig
    content: str
    fingerprint: str
    base_digest: str
    region_name: str
    aws_conn_id: str
    role_arn: str
    image: str
    bucket: str
    dollars_per_hour: float | None
    workspace: str
    tags: dict[str, str]

    @property
    def training(self) -> TrainingConfig:
        """The section of the model's file, as the run changed it."""
        if self.config.training is None:
            raise TrainingSectionMissingError(self.config.model_name)
        return self.config.training

    @property
    def job_name(self) -> str:
        """The name of the first job of this content; later ones are numbered."""
        return f"{self.config.model_name}-ft-{self.fingerprint[:SHORT_FINGERPRINT_LENGTH]}"

    @property
    def prefix(self) -> str:
        """The key prefix of all files of this fine-tune, without a slash at its end."""
        return training_prefix(self.config.account.prefix, self.config.model_name, self.fingerprint)

    @property
    def base_prefix(self) -> str:
        """The key prefix to which the base is delivered, without a slash at its end; shared by all fine-tunes of it."""
        place = (self.config.account.prefix.strip("/"), self.config.model_name, TRAINING, "bases", self.base_digest)
        return "/".join(part for part in place if part)

    def uri(self, name: str) -> str:
        """Return the S3 URI of a file or prefix of this fine-tune."""
        return str(S3Uri(self.bucket, f"{self.prefix}/{name}"))

    @property
    def files(self) -> Workspace:
        """The run's place in the workspace."""
        return Workspace(self.workspace)

    def workspace_file(self, name: str) -> Path:
        """Return the path of a file of this run in the workspace."""
        return self.files.folder / name

    @property
    def max_seconds(self) -> int:
        """The seconds that a job may train."""
        return self.training.job.max_hours * _SECONDS

    @property
    def max_wait_seconds(self) -> int:
        """The seconds that a job and the wait for its instances may take together."""
        return max(self.training.job.max_wait_hours, self.training.job.max_hours) * _SECONDS

    @property
    def wait_seconds(self) -> int:
        """How long the end of the job is waited for: longer than the service lets it run."""
        return self.max_wait_seconds + _MARGIN_SECONDS
