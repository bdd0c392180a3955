"""The monthly cost of the imported models, and the deletions that retention would make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter

from pydantic import BaseModel, ConfigDict

from include.aws.clients import AwsClients
from include.aws.imported_models import ImportedModel, list_models
from include.registry.search import newest_versions
from include.retention.selection import RetentionPolicies, RetirementPlan, Verdict, plan_retirement
from include.service.pricing import storage_summary

#: Of one model, at a hundred a call; beyond them an imported model would count as not registered.
MOST_VERSIONS = 10_000


class ImportedVersion(BaseModel):
    """An imported model and retention's verdict on it."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    goes: bool


class ModelOutlook(BaseModel):
    """The imported versions of one model; ``cost`` is their monthly storage cost as text."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_name: str
    versions: tuple[ImportedVersion, ...]
    cost: str

    @property
    def going(self) -> int:
        """The number of versions that retention would delete."""
        return sum(version.goes for version in self.versions)


def read_plan(
    clients: AwsClients, policies: RetentionPolicies, now: datetime, group: str | None = None
) -> RetirementPlan:
    """Return retention's plan for all models or one, with two calls per model and one per 100 versions."""
    models = list_models(clients.bedrock, group)
    groups = sorted({model.group for model in models if model.is_ours})
    read = partial(newest_versions, clients.sagemaker, most=MOST_VERSIONS)
    with ThreadPoolExecutor(4) as pool:
        versions = dict(zip(groups, pool.map(read, groups), strict=True))
    return plan_retirement(models, versions, policies, now)


def outlook(plan: RetirementPlan, is_visible: Callable[[str], bool]) -> tuple[ModelOutlook, ...]:
    """Return the plan by model, for the models that the viewer may see, those with deletions first."""
    verdicts = [*((verdict, True) for verdict in plan.retire), *((verdict, False) for verdict in plan.keep)]
    seen = [
        (verdict.model.group, ImportedVersion(verdict=verdict, goes=goes))
        for verdict, goes in verdicts
        if verdict.model.is_ours and is_visible(verdict.model.group)
    ]
    seen.sort(key=itemgetter(0))
    models = [_model(name, [version for _, version in of_model]) for name, of_model in groupby(seen, itemgetter(0))]
    return tuple(sorted(models, key=lambda model: -model.going))


def _model(name: str, versions: Iterable[ImportedVersion]) -> ModelOutlook:
    newest = tuple(sorted(versions, key=lambda version: version.verdict.model.created_at, reverse=True))
    return ModelOutlook(model_name=name, versions=newest, cost=monthly(v.verdict.model for v in newest))


class Slot(BaseModel):
    """One slot of the account's quota; empty fields for a free one, no name for a model that the viewer cannot see."""

    model_config = ConfigDict(frozen=True)

    name: str = ""
    model_name: str = ""
    status: str = "free"
    dollars: float | None = None
    goes: bool = False


def slots(plan: RetirementPlan, quota: int, is_visible: Callable[[str], bool]) -> tuple[Slot, ...]:
    """Return the slots of the quota: the imported models, those to be deleted last, then the free ones."""
    verdicts = [*((verdict, False) for verdict in plan.keep), *((verdict, True) for verdict in plan.retire)]
    used = [_slot(verdict, goes, is_visible) for verdict, goes in verdicts]
    return (*used, *[Slot()] * max(0, quota - len(used)))


def _slot(verdict: Verdict, goes: bool, is_visible: Callable[[str], bool]) -> Slot:
    model = verdict.model
    if not (model.is_ours and is_visible(model.group)):
        return Slot(status="other")
    return Slot(
        name=model.name,
        model_name=model.group,
        status=(verdict.status or "not registered").lower(),
        dollars=model.cost.storage_month_dollars,
        goes=goes,
    )


def monthly(models: Iterable[ImportedModel]) -> str:
    """Return the monthly storage cost of these models as text."""
    return storage_summary(model.cost for model in models)
