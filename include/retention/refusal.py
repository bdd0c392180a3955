"""Say which models hold the slots of a full account, and which action frees one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from include.aws.clients import AwsClients
from include.aws.imported_models import ImportedModel, list_models
from include.config.model import RetentionConfig
from include.registry.versions import ModelVersion
from include.retention.occupancy import Occupancy
from include.retention.retiring import versions_of
from include.retention.selection import RetentionPolicies, RetirementPlan, Verdict, plan_retirement
from include.service.limits import load_limits

log = logging.getLogger(__name__)

RETIREMENT_DAG = "retire_imported_models"
_DELETE = "Delete a model that nothing calls: aws bedrock delete-imported-model --model-identifier <name>."


class Holders(NamedTuple):
    """The imported models of an account with their versions; those of ``unread`` cannot be read."""

    models: tuple[ImportedModel, ...]
    versions: dict[str, tuple[ModelVersion, ...]]
    unread: tuple[ImportedModel, ...]


def why_no_room(
    clients: AwsClients, occupancy: Occupancy, group: str, policy: RetentionConfig, now: datetime
) -> tuple[str, str]:
    """Return which models hold the slots and why, and which actions free one; each on its own line.

    Args:
        clients: the boto3 clients.
        occupancy: the full account.
        group: the model that is to be imported.
        policy: its retention policy. Other models' files are not known here.
        now: timezone-aware.
    """
    holders = _read_holders(clients)
    plan = plan_retirement(holders.models, holders.versions, RetentionPolicies(RetentionConfig(), {group: policy}), now)
    lines = [f"{verdict.model.name}: {verdict.reason}" for verdict in (*plan.retire, *plan.keep)]
    lines += [f"{model.name}: the versions of {model.group} cannot be read" for model in holders.unread]
    lines += [f"{name}: it is being imported" for name in occupancy.running]
    found = _listed(f"the quota is {occupancy.quota}, and these hold the slots:", lines)
    raise_quota = f"Have the quota raised in Service Quotas ({load_limits().quotas.imported_models_code})."
    unread = sorted({model.group for model in holders.unread})
    look = [f"Trigger {RETIREMENT_DAG} with model_name {other}: it shows what could go." for other in unread]
    own = _own_actions(holders, plan, group, policy, now)
    actions = [*own, *_other_actions(plan, group), *look, _DELETE, raise_quota]
    return found, _listed("\n  Free a slot in one of these ways:", actions)


def _listed(heading: str, lines: list[str]) -> str:
    return heading + "".join(f"\n    {line}" for line in lines)


def _read_holders(clients: AwsClients) -> Holders:
    """A user may be allowed to read the versions of some models only."""
    from botocore.exceptions import ClientError

    models = list_models(clients.bedrock)
    versions: dict[str, tuple[ModelVersion, ...]] = {}
    unread: list[ImportedModel] = []
    for group in sorted({model.group for model in models if model.is_ours}):
        of_group = [model for model in models if model.is_ours and model.group == group]
        try:
            versions |= versions_of(of_group, clients.sagemaker)
        except ClientError as error:
            log.info("The versions of %s cannot be read: %s", group, error)
            unread += of_group
    return Holders(tuple(model for model in models if model not in unread), versions, tuple(unread))


def _own_actions(
    holders: Holders, plan: RetirementPlan, group: str, policy: RetentionConfig, now: datetime
) -> Iterator[str]:
    """Yield what frees a slot that a version of the same model holds."""
    if going := [verdict for verdict in plan.retire if verdict.model.group == group]:
        if not policy.make_room:
            yield f"Set retention.make_room in the file of {group}: its next run then deletes {_names(going[:1])}."
        yield _trigger(group, "", going)
        return
    for keep in range(policy.keep, -1, -1):  # which lower setting lets a former champion go?
        less = policy.model_copy(update={"keep": keep, "younger_than_days": 0})
        own = [model for model in holders.models if model.group == group]
        if going := list(plan_retirement(own, holders.versions, RetentionPolicies(less), now).retire):
            yield _trigger(group, f", keep {keep}, younger_than_days 0", going)
            return


def _other_actions(plan: RetirementPlan, group: str) -> Iterator[str]:
    """Yield what frees a slot that another model holds: approved versions are that model's affair."""
    others = [v for v in plan.retire if v.model.group != group and v.status != "Approved"]
    for other in sorted({verdict.model.group for verdict in others}):
        yield _trigger(other, "", [verdict for verdict in others if verdict.model.group == other])
    if waiting := [verdict for verdict in plan.keep if verdict.status == "PendingManualApproval"]:
        yield f"Approve or reject what waits for a person: {_names(waiting)}."


def _trigger(group: str, settings: str, going: list[Verdict]) -> str:
    return f"Trigger {RETIREMENT_DAG} with model_name {group}{settings} and dry_run off: it deletes {_names(going)}."


def _names(verdicts: list[Verdict]) -> str:
    return ", ".join(verdict.model.name for verdict in verdicts)
