"""The record of a finished fine-tune, as JSON in S3 beside its data and checkpoints."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from include.aws.s3 import read_object_if_any, request
from include.aws.s3_uri import S3Uri
from include.errors import ModelImportError

FORMAT = "fine-tune-record/1"
TRAINING = "training"
_RECORD = "record.json"


class TrainingRecordUnreadableError(ModelImportError):
    """The record of a fine-tune is not JSON of its form."""

    def __init__(self, uri: str, found: str) -> None:
        super().__init__(
            "The record of the fine-tune cannot be read",
            uri,
            f"JSON of the form {FORMAT}",
            found,
            "Delete it, and clear the task record_training of the run that trained this content.",
        )


class LossPoint(BaseModel):
    """The losses after a step, in nats per token; ``minutes`` are those since the training began."""

    model_config = ConfigDict(frozen=True)

    step: int
    minutes: float | None = None
    train: float
    held_out: float | None = None


class TrainingData(BaseModel):
    """The training data, as the model's file names it."""

    model_config = ConfigDict(frozen=True)

    uri: str
    format: str


class FineTuneRecord(BaseModel):
    """What was trained, on what, in which time and at what cost.

    ``base`` is the base model's URI; ``base_digest`` and ``settings`` are what the training script was given;
    ``versions`` are the packages it ran with. ``attempts`` counts the training jobs of this fingerprint,
    ``training_seconds`` and ``billable_seconds`` are of the last one, the completed. Costs are None where the price is
    not known; ``on_demand_cost_usd`` is what the same job costs without spot capacity.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    record_format: str = FORMAT
    model_name: str
    job_name: str
    job_arn: str
    fingerprint: str
    base: str
    data: TrainingData
    data_digest: str
    data_report_uri: str
    settings: dict[str, Any]
    versions: dict[str, str]
    instance_type: str
    instances: int
    spot: bool
    training_seconds: float
    billable_seconds: float
    loss: tuple[LossPoint, ...]
    steps: int
    tokens: int
    attempts: int
    cost_usd: float | None = None
    on_demand_cost_usd: float | None = None
    finished_at: AwareDatetime
    artifact_uri: str

    def as_json(self) -> bytes:
        """Return the record as the bytes of its file."""
        return json.dumps(self.model_dump(mode="json"), indent=1).encode()

    @classmethod
    def of_json(cls, uri: str, content: bytes) -> Self:
        """Return the record that is stored at ``uri``; raises TrainingRecordUnreadableError."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise TrainingRecordUnreadableError(uri, str(error)) from error


def training_prefix(prefix: str, model_name: str, fingerprint: str) -> str:
    """Return the key prefix of a fine-tune's files, without a slash at its end: ``models/NAME/training/FINGERPRINT``.

    Its checkpoints are there too, so that the next job of the same content resumes.
    """
    return "/".join(part for part in (prefix.strip("/"), model_name, TRAINING, fingerprint) if part)


def record_uri(bucket: str, prefix: str, model_name: str, fingerprint: str) -> str:
    """Return the S3 URI of a fine-tune's record."""
    return str(S3Uri(bucket, f"{training_prefix(prefix, model_name, fingerprint)}/{_RECORD}"))


def record_uri_beside(artifact_uri: str) -> str | None:
    """Return where the record of a training job's artifact is; None for one that this project did not start.

    Args:
        artifact_uri: the job's ``ModelArtifacts.S3ModelArtifacts``.
    """
    folder, found, _ = artifact_uri.partition("/output/")
    place, _, _ = folder.rpartition("/")  # without the job's name
    is_ours = bool(found) and place.split("/")[-2:-1] == [TRAINING]
    return f"{place}/{_RECORD}" if is_ours else None


def read_record(s3: Any, uri: str) -> FineTuneRecord | None:
    """Return the record at ``uri``, or None if there is none.

    Raises:
        TrainingRecordUnreadableError: it is not of the form of a record.
        S3RequestError: S3 refused the request.
    """
    body = read_object_if_any(s3, uri)
    return None if body is None else FineTuneRecord.of_json(uri, body)


def write_record(s3: Any, uri: str, record: FineTuneRecord) -> None:
    """Write the record; the file is whole or absent."""
    request(
        s3,
        "put_object",
        uri,
        {**S3Uri.parse(uri).arguments, "Body": record.as_json(), "ContentType": "application/json"},
    )
