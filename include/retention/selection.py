"""Decide which imported models stay and which go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from pydantic import BaseModel, ConfigDict

from include.aws.imported_models import KEEP_TAG, ImportedModel
from include.config.model import RetentionConfig
from include.registry.versions import ModelVersion
from include.service.pricing import storage_summary

NOT_OURS = "this project did not import it"


@dataclass(frozen=True)
class RetentionPolicies:
    """The policy of each model that has its own, and that of all others."""

    default: RetentionConfig
    by_group: Mapping[str, RetentionConfig] = field(default_factory=dict)

    def of(self, group: str) -> RetentionConfig:
        """Return the policy of a model."""
        return self.by_group.get(group, self.default)


class Verdict(BaseModel):
    """What becomes of one imported model, and why."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model: ImportedModel
    reason: str
    delete_checkpoint: bool = False

    def line(self) -> str:
        """The verdict as one line."""
        return f"{self.model.name}: {self.reason} ({self.model.cost.summary()})"


class RetirementPlan(BaseModel):
    """All verdicts; those of ``retire`` are ordered oldest first."""

    model_config = ConfigDict(frozen=True)

    retire: tuple[Verdict, ...]
    keep: tuple[Verdict, ...]

    def summary(self) -> str:
        """Return what goes, what stays, and what each costs to keep, for a reader."""
        go = storage_summary(verdict.model.cost for verdict in self.retire)
        stay = storage_summary(verdict.model.cost for verdict in self.keep if verdict.model.is_ours)
        lines = [f"To retire: {len(self.retire)} ({go})", *(f"  {verdict.line()}" for verdict in self.retire)]
        lines += [f"To keep: {len(self.keep)} ({stay})", *(f"  {verdict.line()}" for verdict in self.keep)]
        return "\n".join(lines)


def plan_retirement(
    models: Iterable[ImportedModel],
    champions: Mapping[str, ModelVersion | None],
    policies: RetentionPolicies,
    now: datetime,
) -> RetirementPlan:
    """Return which models go and which stay.

    Kept are the champion of each group, the newest of each group, those with a tag ``keep`` (whatever its value), those
    that are young, and every model that this project did not import.

    Args:
        models: the imported models.
        champions: the champion of every group among them; None where there is none yet.
        policies: how many to keep, and how young.
        now: the moment that ages are counted to, timezone-aware.
    """
    ordered = sorted(models, key=lambda model: (model.group, -model.created_at.timestamp()))
    foreign = [Verdict(model=model, reason=NOT_OURS) for model in ordered if not model.is_ours]
    retire: list[Verdict] = []
    keep: list[Verdict] = []
    for group, versions in groupby((model for model in ordered if model.is_ours), key=lambda model: model.group):
        policy, champion = policies.of(group), champions[group]
        for place, model in enumerate(versions, start=1):
            reason = _reason_to_keep(model, place, champion, policy, now)
            if reason:
                keep.append(Verdict(model=model, reason=reason))
            else:
                retire.append(_retirement(model, place, policy, now))
    retire.sort(key=lambda verdict: verdict.model.created_at)
    return RetirementPlan(retire=tuple(retire), keep=(*keep, *foreign))


def _reason_to_keep(
    model: ImportedModel, place: int, champion: ModelVersion | None, policy: RetentionConfig, now: datetime
) -> str:
    if champion and (model.arn == champion.imported_model_arn or model.fingerprint == champion.fingerprint):
        return f"it is the champion, version {champion.number}"
    if KEEP_TAG in model.tags:
        return f"it has the tag {KEEP_TAG}={model.tags[KEEP_TAG]}"
    if place <= policy.keep:
        return f"it is among the {policy.keep} newest of {model.group}"
    if now - model.created_at < timedelta(days=policy.younger_than_days):
        return f"it is younger than {policy.younger_than_days} day(s)"
    return ""


def _retirement(model: ImportedModel, place: int, policy: RetentionConfig, now: datetime) -> Verdict:
    reason = f"{place - 1} newer version(s) of {model.group}, {(now - model.created_at).days} day(s) old"
    return Verdict(model=model, reason=reason, delete_checkpoint=policy.delete_checkpoint)
