"""Decide which imported models stay and which may be deleted.

A pure function in two steps. Protected models always stay (``why_protected``). Of the others a model's policy keeps
some, and the rest may be deleted in this order: rejected versions, models that were never registered, approved
versions; the oldest first in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from include.aws.imported_models import KEEP_TAG, ImportedModel
from include.aws.publication import why_published
from include.config.model import RetentionConfig
from include.registry.versions import ApprovalStatus, ModelVersion, champion_of
from include.service.pricing import storage_summary
from include.wording import counted

NOT_OURS = "this project did not import it"
#: An import, its evaluation and its registration take hours at most: until then a model without a version is in use.
REGISTRATION_TIME = timedelta(days=1)
#: What is deleted first; a model without a version has the status None.
_DELETION_ORDER: tuple[ApprovalStatus | None, ...] = ("Rejected", None, "Approved")


@dataclass(frozen=True)
class RetentionPolicies:
    """The policies by model name, and the default for all other models."""

    default: RetentionConfig
    by_group: Mapping[str, RetentionConfig] = field(default_factory=dict)

    def of(self, group: str) -> RetentionConfig:
        """Return the policy of a model."""
        return self.by_group.get(group, self.default)


class Verdict(BaseModel):
    """Whether one imported model is kept, and why; ``status`` is None without a registered version."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model: ImportedModel
    reason: str
    status: ApprovalStatus | None = None
    delete_checkpoint: bool = False

    def line(self) -> str:
        """Return the verdict as one line."""
        return f"{self.model.name}: {self.reason} ({self.model.cost.summary()})"


class RetirementPlan(BaseModel):
    """All verdicts; those of ``retire`` are in the order of deletion."""

    model_config = ConfigDict(frozen=True)

    retire: tuple[Verdict, ...]
    keep: tuple[Verdict, ...]

    def summary(self) -> str:
        """Return the models to delete and to keep, with their storage costs, as text."""
        go = storage_summary(verdict.model.cost for verdict in self.retire)
        stay = storage_summary(verdict.model.cost for verdict in self.keep if verdict.model.is_ours)
        lines = [f"To retire: {len(self.retire)} ({go})", *(f"  {verdict.line()}" for verdict in self.retire)]
        lines += [f"To keep: {len(self.keep)} ({stay})", *(f"  {verdict.line()}" for verdict in self.keep)]
        return "\n".join(lines)

    def with_others(self, plans: Iterable[RetirementPlan]) -> RetirementPlan:
        """Return this plan and those of other connections; what several judge counts in the first of them."""
        every = (self, *plans)
        retire = {verdict.model.arn: verdict for plan in reversed(every) for verdict in plan.retire}
        keep = {verdict.model.arn: verdict for plan in reversed(every) for verdict in plan.keep}
        return RetirementPlan(retire=tuple(retire.values()), keep=tuple(keep.values()))

    def before_import(self, *, make_room: bool) -> tuple[Verdict, ...]:
        """Return what an import into a full account may delete: rejected models, others only with ``make_room``."""
        return tuple(verdict for verdict in self.retire if make_room or verdict.status == "Rejected")


def plan_retirement(
    models: Iterable[ImportedModel],
    versions: Mapping[str, Sequence[ModelVersion]],
    policies: RetentionPolicies,
    now: datetime,
) -> RetirementPlan:
    """Return which models may be deleted and which are kept.

    Args:
        models: the imported models.
        versions: the registered versions of every group among them, newest first.
        policies: how many versions to keep, and their minimum age.
        now: the moment that ages are counted to, timezone-aware.
    """
    listed = sorted(models, key=lambda model: (model.group, -model.created_at.timestamp()))
    retire: list[Verdict] = []
    keep: list[Verdict] = []
    for group in sorted({model.group for model in listed if model.is_ours}):
        own = [model for model in listed if model.is_ours and model.group == group]
        for verdict, goes in _judge(own, versions.get(group, ()), policies.of(group), now):
            (retire if goes else keep).append(verdict)
    retire.sort(key=lambda verdict: (_DELETION_ORDER.index(verdict.status), verdict.model.created_at))
    foreign = (Verdict(model=model, reason=NOT_OURS) for model in listed if not model.is_ours)
    return RetirementPlan(retire=tuple(retire), keep=(*keep, *foreign))


def why_protected(
    model: ImportedModel, version: ModelVersion | None, champion: ModelVersion | None, now: datetime
) -> str:
    """Return why the model is kept regardless of its policy; empty if it is not.

    Args:
        model: an imported model of this project.
        version: the registered version of its content, if there is one.
        champion: the champion of its group, if there is one.
        now: the moment that ages are counted to, timezone-aware.
    """
    if champion and (model.arn == champion.imported_model_arn or model.fingerprint == champion.fingerprint):
        return f"it is the champion, version {champion.number}"
    if KEEP_TAG in model.tags:
        return f"it has the tag {KEEP_TAG}={model.tags[KEEP_TAG]}"
    if version and version.status == "PendingManualApproval":
        return f"version {version.number} waits for a person's approval"
    if published := why_published(model.tags, now):
        return published
    if use := model.use(now):
        return f"the run {use.run} has been evaluating it since {use.since:%Y-%m-%d %H:%M} UTC"
    if version is None and now - model.created_at < REGISTRATION_TIME:
        return "it is less than a day old and not registered yet: a run may be evaluating it"
    return ""


def _judge(
    models: Sequence[ImportedModel], versions: Sequence[ModelVersion], policy: RetentionConfig, now: datetime
) -> Iterable[tuple[Verdict, bool]]:
    """Yield a verdict on each model of a group."""
    by_content = {version.fingerprint: version for version in versions}
    there = {model.arn for model in models} | {model.fingerprint for model in models}
    champion = champion_of(version for version in versions if there & {version.imported_model_arn, version.fingerprint})
    within_keep = _newest_approved(models, by_content, policy.keep)
    for model in models:
        version = by_content.get(model.fingerprint)
        status = version.status if version else None
        reason = why_protected(model, version, champion, now)
        if not reason and model.arn in within_keep:
            reason = f"it is among the {policy.keep} newest approved versions of {model.group}"
        if not reason and now - model.created_at < timedelta(days=policy.younger_than_days):
            reason = f"it is younger than {counted(policy.younger_than_days, 'day')}"
        if reason:
            yield Verdict(model=model, reason=reason, status=status), False
        else:
            reason = _why_it_goes(model, version, policy, now)
            deletes = policy.delete_checkpoint
            yield Verdict(model=model, reason=reason, status=status, delete_checkpoint=deletes), True


def _newest_approved(
    models: Iterable[ImportedModel], by_content: Mapping[str, ModelVersion], keep: int
) -> frozenset[str]:
    """Return the imported model ARNs of the ``keep`` newest approved versions, including the champion."""
    approved = [
        (version.number, model.arn)
        for model in models
        if (version := by_content.get(model.fingerprint)) and version.status == "Approved"
    ]
    return frozenset(arn for _, arn in sorted(approved, reverse=True)[:keep])


def _why_it_goes(model: ImportedModel, version: ModelVersion | None, policy: RetentionConfig, now: datetime) -> str:
    age = f"{counted((now - model.created_at).days, 'day')} old"
    if version is None:
        return f"it was never registered, {age}"
    if version.status == "Rejected":
        return f"version {version.number} was rejected, {age}"
    return f"version {version.number} is not among the {policy.keep} newest approved versions, {age}"
