"""What Bedrock remembers: jobs, imported models, tags and client tokens of each account and region."""

from __future__ import annotations

import secrets
import string
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from include.local_aws.bedrock.scope import Scope

JobStatus = Literal["InProgress", "Completed", "Failed"]
EvaluationStatus = Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped"]
ID_ALPHABET = string.ascii_lowercase + string.digits
ID_LENGTH = 12

_created = count(1)


def new_id() -> str:
    """Return a resource id in the form of Bedrock's."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def now() -> datetime:
    """Return the present moment in whole milliseconds, as answers show it: a filter by a shown time is then exact."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(frozen=True, kw_only=True)
class ImportJob:
    """One import job; `request` is what CreateModelImportJob was given."""

    arn: str
    request: Mapping[str, Any]
    kms_key_arn: str | None = None
    status: JobStatus = "InProgress"
    failure_message: str | None = None
    model_arn: str | None = None
    created: datetime = field(default_factory=now)
    modified: datetime = field(default_factory=now)
    ended: datetime | None = None
    sequence: int = field(default_factory=lambda: next(_created))

    @property
    def name(self) -> str:
        return str(self.request["jobName"])

    @property
    def model_name(self) -> str:
        return str(self.request["importedModelName"])

    @property
    def s3_uri(self) -> str:
        return str(self.request["modelDataSource"]["s3DataSource"]["s3Uri"])


@dataclass(frozen=True, kw_only=True)
class EvaluationJob:
    """One evaluation job; `request` is what CreateEvaluationJob was given."""

    arn: str
    request: Mapping[str, Any]
    status: EvaluationStatus = "InProgress"
    failure_messages: tuple[str, ...] = ()
    created: datetime = field(default_factory=now)
    modified: datetime = field(default_factory=now)
    sequence: int = field(default_factory=lambda: next(_created))

    @property
    def name(self) -> str:
        return str(self.request["jobName"])

    @property
    def application_type(self) -> str:
        return str(self.request.get("applicationType", "ModelEvaluation"))

    @property
    def data_sets(self) -> Sequence[Mapping[str, Any]]:
        return list(self.request["evaluationConfig"]["automated"]["datasetMetricConfigs"])

    @property
    def evaluator(self) -> str:
        [model] = self.request["evaluationConfig"]["automated"]["evaluatorModelConfig"]["bedrockEvaluatorModels"]
        return str(model["modelIdentifier"])

    @property
    def source(self) -> str:
        [model] = self.request["inferenceConfig"]["models"]
        return str(model["precomputedInferenceSource"]["inferenceSourceIdentifier"])


@dataclass(frozen=True, kw_only=True)
class ImportedModel:
    """One imported model; `folder` is Bedrock's own copy of the checkpoint."""

    arn: str
    job: ImportJob
    folder: Path
    model_type: str
    instruct_supported: bool
    units_per_copy: int
    created: datetime = field(default_factory=now)
    sequence: int = field(default_factory=lambda: next(_created))

    @property
    def name(self) -> str:
        return self.job.model_name


class RegionState:
    """The resources of one account in one region. Hold `lock` over a look and the change that follows from it."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.jobs: dict[str, ImportJob] = {}
        self.models: dict[str, ImportedModel] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, ImportJob] = {}
        self.evaluations: dict[str, EvaluationJob] = {}
        self.evaluation_tokens: dict[str, str] = {}

    def job(self, name_or_arn: str) -> ImportJob | None:
        with self.lock:
            by_name = (job for job in self.jobs.values() if job.name == name_or_arn)
            return self.jobs.get(name_or_arn) or next(by_name, None)

    def model(self, name_or_arn: str) -> ImportedModel | None:
        with self.lock:
            by_name = (model for model in self.models.values() if model.name == name_or_arn)
            return self.models.get(name_or_arn) or next(by_name, None)

    def running_jobs(self) -> list[ImportJob]:
        with self.lock:
            return [job for job in self.jobs.values() if job.status == "InProgress"]


class Regions:
    """The states of all accounts and regions."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._states: defaultdict[Scope, RegionState] = defaultdict(RegionState)

    def of(self, scope: Scope) -> RegionState:
        with self._lock:
            return self._states[scope]

    def forget(self) -> None:
        """Drop everything; a caller that still holds the old state works on a copy that no other request sees."""
        with self._lock:
            self._states.clear()
