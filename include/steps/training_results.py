"""Results of the tasks of a fine-tune. They are passed through XCom as small, plain JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class TrainingDataResult(_Result):
    """The prepared data of a fine-tune, and the request for its job."""

    data_report_uri: str
    data_digest: str
    examples: int
    tokens: int
    request: dict[str, Any]


class StartedTrainingResult(_Result):
    """What SageMakerCreateTrainingJobOperator returns; ``adopted`` is a job that an earlier run started."""

    job_arn: str
    job_name: str
    attempt: int
    adopted: bool


class HandOverResult(_Result):
    """The artifact that was handed to the import, and the asset whose event names it."""

    artifact: str
    asset: str
