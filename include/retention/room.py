"""Make room in the account for one more imported model."""

from __future__ import annotations

from datetime import datetime

from include.aws.clients import AwsClients
from include.config.model import RetentionConfig
from include.errors import ModelImportError
from include.retention.occupancy import read_occupancy
from include.retention.refusal import why_no_room
from include.retention.retiring import RetirementReport, plan_for_group, retire
from include.retention.selection import RetirementPlan


class NoModelSlotError(ModelImportError):
    """The account's quota of imported models is used up, and no version of the model may be deleted for another."""

    def __init__(self, imported_model_name: str, found: str, remedy: str) -> None:
        super().__init__("There is no room for another imported model", imported_model_name, "", found, remedy)


def free_slot(
    clients: AwsClients,
    imported_model_name: str,
    group: str,
    policy: RetentionConfig,
    now: datetime,
) -> RetirementReport | None:
    """Make room for an import: retire versions of the same model, no more than needed.

    Rejected versions may always be deleted; other versions that the policy does not keep only with ``make_room``.
    Returns None when there is room already.

    Raises:
        NoModelSlotError: too few versions may be deleted.
        RetirementFailedError: Bedrock did not delete it.
    """
    occupancy = read_occupancy(clients.bedrock, clients.service_quotas)
    if occupancy.has_room_for(imported_model_name):
        return None
    going = plan_for_group(clients, group, policy, now).before_import(make_room=policy.make_room)
    if len(going) >= occupancy.lacking:
        report = retire(RetirementPlan(retire=going, keep=()), clients, now, at_most=occupancy.lacking)
        if len(report.retired) == occupancy.lacking:
            return report
    raise NoModelSlotError(imported_model_name, *why_no_room(clients, occupancy, group, policy, now))
