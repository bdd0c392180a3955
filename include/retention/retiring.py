"""Retire imported models: delete them and, if requested, their checkpoints, and record it in the registry."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from include.aws.calls import is_gone, request
from include.aws.clients import AwsClients
from include.aws.imported_models import ImportedModel, list_models
from include.aws.model_use import read_tags
from include.aws.transient import transient_cause
from include.config.model import RetentionConfig
from include.errors import ModelImportError
from include.registry.champions import find_champion
from include.registry.leases import changing_versions, lease_beside
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import RETIRED_AT, ModelVersion
from include.retention.checkpoints import delete_checkpoint
from include.retention.selection import RetentionPolicies, RetirementPlan, Verdict, plan_retirement, why_protected
from include.service.pricing import storage_summary
from include.wording import counted

log = logging.getLogger(__name__)


class RetirementFailedError(ModelImportError):
    """Some models could not be retired; the others were retired."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        found = "\n  " + "\n  ".join(f"{name}: {error}" for name, error in failures.items())
        super().__init__(
            f"{counted(len(failures), 'imported model')} could not be retired",
            found=found,
            remedy="What was done stays done; run again when the cause is gone.",
        )


class RetiredModel(BaseModel):
    """A retired model: its version in the registry and the number of deleted objects of its checkpoint."""

    model_config = ConfigDict(frozen=True)

    name: str
    arn: str
    reason: str
    objects_deleted: int
    version: int | None


class RetirementReport(BaseModel):
    """The retired models, in order, and the monthly saving."""

    model_config = ConfigDict(frozen=True)

    retired: tuple[RetiredModel, ...]
    saving: str

    def summary(self) -> str:
        """Return the report as text."""
        lines = [f"  {model.name}: {model.reason}" for model in self.retired]
        return "\n".join([f"Retired: {len(self.retired)} ({self.saving})", *lines])


def versions_of(models: Iterable[ImportedModel], sagemaker: Any) -> dict[str, tuple[ModelVersion, ...]]:
    """Return the registered versions of every group among the models, newest first."""
    registry = SageMakerRegistry(sagemaker)
    groups = sorted({model.group for model in models if model.is_ours})
    return {group: tuple(registry.versions(group)) for group in groups}


def retire(plan: RetirementPlan, clients: AwsClients, now: datetime, at_most: int | None = None) -> RetirementReport:
    """Retire the models of the plan; a missing model counts as retired. One failure does not stop the others.

    Before each deletion the registry and the model's tags are read again, under the model's lease: people and other
    runs change them meanwhile. The version is marked as retired; its approval status stays.

    Args:
        plan: which models, in the order of deletion.
        clients: the boto3 clients.
        now: timezone-aware.
        at_most: stop after this many; None for all.

    Raises:
        RetirementFailedError: names what could not be retired, and why.
    """
    retired: list[RetiredModel] = []
    failures: dict[str, Exception] = {}
    for verdict in plan.retire:
        if len(retired) == at_most:
            break
        try:
            done = _retire_one(verdict, clients, now)
        except Exception as error:  # whatever it is, the others are to be retired
            log.exception("%s could not be retired", verdict.model.name)
            failures[verdict.model.name] = error
            continue
        retired += [done] if done else []
    if failures:
        cause = next(filter(None, map(transient_cause, failures.values())), None)
        raise RetirementFailedError({name: str(error) for name, error in failures.items()}) from cause
    gone = {model.arn for model in retired}
    saving = storage_summary(verdict.model.cost for verdict in plan.retire if verdict.model.arn in gone)
    return RetirementReport(retired=tuple(retired), saving=saving)


def _retire_one(verdict: Verdict, clients: AwsClients, now: datetime) -> RetiredModel | None:
    """Retire one model; return None when something now protects it."""
    model = verdict.model
    own = lease_beside(model.s3_uri, model.group)
    with changing_versions(clients, model.group, own, f"the deletion of {model.name}") as registry:
        version = registry.find(model.group, model.fingerprint)
        if reason := _why_it_stays(verdict, version, clients, now):
            log.warning("%s stays: since the plan was made, %s", model.name, reason)
            return None
        registry.before_write()
        _delete_model(clients.bedrock, model.arn)
        if version and version.imported_model_arn == model.arn:  # otherwise its content has been imported again
            registry.note(version, RETIRED_AT, now.astimezone(UTC).isoformat(timespec="seconds"))
    deleted = delete_checkpoint(clients.s3, model) if verdict.delete_checkpoint else 0
    log.info("retired %s: %s", model.name, verdict.reason)
    return RetiredModel(
        name=model.name,
        arn=model.arn,
        reason=verdict.reason,
        objects_deleted=deleted,
        version=version.number if version else None,
    )


def _why_it_stays(verdict: Verdict, version: ModelVersion | None, clients: AwsClients, now: datetime) -> str:
    """Return what now protects the model, read from AWS again; empty if nothing does."""
    status = version.status if version else None
    if status != verdict.status:
        return f"its version became {status or 'unregistered'}"
    tags = read_tags(clients.bedrock, verdict.model.arn)
    model = verdict.model if tags is None else verdict.model.model_copy(update={"tags": tags})
    champion = find_champion(model.group, clients.sagemaker, clients.bedrock).champion
    return why_protected(model, version, champion, now)


def _delete_model(bedrock: Any, arn: str) -> None:
    from botocore.exceptions import ClientError

    try:
        request(bedrock, "delete_imported_model", modelIdentifier=arn)
    except ClientError as error:
        if not is_gone(bedrock, arn, error):
            raise
        log.info("%s is gone already", arn)


def plan_for_group(clients: AwsClients, group: str, policy: RetentionConfig, now: datetime) -> RetirementPlan:
    """Return the plan for the imported versions of one model."""
    models = list_models(clients.bedrock, group)
    return plan_retirement(models, versions_of(models, clients.sagemaker), RetentionPolicies(policy), now)


def retire_after_promotion(clients: AwsClients, group: str, policy: RetentionConfig, now: datetime) -> RetirementReport:
    """After a promotion, retire the versions that the model's policy no longer keeps; other models are not touched.

    Raises:
        RetirementFailedError: names what could not be retired.
    """
    plan = plan_for_group(clients, group, policy, now)
    log.info("%s", plan.summary())
    return retire(plan, clients, now)
