"""Decides requests by the caller's policies, and remembers the decisions as CloudTrail would."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from include.local_aws.access.callers import Caller
from include.local_aws.bedrock.access_policy import AccessRequest
from include.local_aws.moto_patches.policy_simulator import decision

REMEMBERED = 20_000
ALLOWED, EXPLICIT_DENY = "allowed", "explicitDeny"


@dataclass(frozen=True)
class Demand:
    """One thing that a request needs to be allowed: an action on a resource, with the condition keys of the moment."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


class Ledger:
    """The latest decisions, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

    def note(self, caller: Caller, demand: Demand, decided: str) -> None:
        """Remember a decision."""
        self._entries.append(
            {
                "caller": caller.arn,
                "action": demand.action,
                "resource": demand.resource,
                "context": dict(demand.context),
                "decision": decided,
            }
        )

    def of(self, caller_arn: str) -> list[dict[str, Any]]:
        """Return the decisions about one caller."""
        return [entry for entry in list(self._entries) if entry["caller"] == caller_arn]


LEDGER = Ledger()


def refusal(caller: Caller | None, demands: Iterable[Demand]) -> str | None:
    """Return what AWS says when one of the demands is not allowed; None when all are."""
    if caller is None:
        return None
    return next((said for demand in demands if (said := _refused(caller, demand))), None)


def _refused(caller: Caller, demand: Demand) -> str | None:
    context = {
        "aws:SecureTransport": "true",
        "aws:ResourceAccount": caller.account_id,
        "aws:PrincipalAccount": caller.account_id,
        "aws:PrincipalArn": caller.arn,
        **demand.context,
    }
    limits = caller.boundary
    decided = decision(list(caller.policies), limits, AccessRequest(demand.action, demand.resource, context=context))
    LEDGER.note(caller, Demand(demand.action, demand.resource, context), decided)
    if decided == ALLOWED:
        return None
    because = (
        "with an explicit deny in an identity-based policy"
        if decided == EXPLICIT_DENY
        else f"because no identity-based policy allows the {demand.action} action"
    )
    return f"User: {caller.arn} is not authorized to perform: {demand.action} on resource: {demand.resource} {because}"
