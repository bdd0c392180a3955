"""Whether the account has room for one more imported model, and how to make some."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, NamedTuple

from include.aws.bedrock import request
from include.aws.imported_models import RetentionClients, imported_model_names
from include.aws.transient import transient_cause
from include.config.model import RetentionConfig
from include.errors import ModelImportError
from include.retention.retiring import RetirementReport, plan_for_group, retire
from include.retention.selection import RetirementPlan
from include.service.limits import load_limits

log = logging.getLogger(__name__)


class Occupancy(NamedTuple):
    """The imported models of account and region, the models that running jobs will add, and the quota for both."""

    quota: int
    imported: tuple[str, ...]
    running: tuple[str, ...]

    @property
    def free(self) -> int:
        """How many more models may be imported."""
        return self.quota - len(self.imported) - len(self.running)

    def has_room_for(self, imported_model_name: str) -> bool:
        """Whether this model can be imported, or is there already, or on its way."""
        return self.free > 0 or imported_model_name in (*self.imported, *self.running)


class NoModelSlotError(ModelImportError):
    """The account's quota of imported models is used up, and the policy frees no slot."""

    def __init__(self, imported_model_name: str, found: str, remedy: str) -> None:
        super().__init__("There is no room for another imported model", imported_model_name, "", found, remedy)


def imported_models_quota(service_quotas: Any) -> int:
    """Return the account's quota of imported models; AWS's default when Service Quotas cannot be queried."""
    from botocore.exceptions import ClientError

    limits = load_limits().quotas
    try:
        answer = service_quotas.get_service_quota(ServiceCode="bedrock", QuotaCode=limits.imported_models_code)
    except ClientError as error:
        if transient_cause(error):
            raise
        log.info("Service Quotas cannot be queried (%s): assuming a quota of %s models", error, limits.imported_models)
        return limits.imported_models
    return int(answer["Quota"]["Value"])


def read_occupancy(bedrock: Any, service_quotas: Any) -> Occupancy:
    """Return what is imported and being imported, and the quota."""
    jobs = request(bedrock, "list_model_import_jobs", statusEquals="InProgress")["modelImportJobSummaries"]
    running = tuple(job.get("importedModelName", job["jobName"]) for job in jobs)
    return Occupancy(imported_models_quota(service_quotas), tuple(imported_model_names(bedrock)), running)


def explain(occupancy: Occupancy, plan: RetirementPlan) -> tuple[str, str]:
    """Return what fills the quota, and what to do about it, for preflight and errors."""
    names = ", ".join(sorted(occupancy.imported)) or "none"
    found = f"the quota is {occupancy.quota}, imported are: {names}"
    found += f"; being imported: {', '.join(occupancy.running)}" if occupancy.running else ""
    if plan.retire:
        candidates = "; ".join(verdict.line() for verdict in plan.retire)
        remedy = f"Set make_room in this model's retention, or delete one that its policy would retire: {candidates}."
    else:
        remedy = "The retention policy of this model would retire none: delete an imported model that nobody needs,"
        remedy += " lower its retention.keep,"
    return found, f"{remedy} Or have the quota raised in Service Quotas ({load_limits().quotas.imported_models_code})."


def free_slot(
    clients: RetentionClients,
    service_quotas: Any,
    imported_model_name: str,
    group: str,
    policy: RetentionConfig,
    now: datetime,
) -> RetirementReport | None:
    """Make room for an import: retire the oldest versions of the same model that its policy lets go, no more than due.

    Returns None when there is room already.

    Raises:
        NoModelSlotError: the policy does not allow it, or would retire none.
        RetirementFailedError: Bedrock did not delete it.
    """
    occupancy = read_occupancy(clients.bedrock, service_quotas)
    if occupancy.has_room_for(imported_model_name):
        return None
    plan = plan_for_group(clients, group, policy, now)
    needed = 1 - occupancy.free
    if not policy.make_room or len(plan.retire) < needed:
        raise NoModelSlotError(imported_model_name, *explain(occupancy, plan))
    return retire(plan.model_copy(update={"retire": plan.retire[:needed]}), clients, now)
