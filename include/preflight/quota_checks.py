"""Check the quotas: whether another model fits, and whether another import is running."""

from __future__ import annotations

from datetime import UTC, datetime

from include.aws.clients import AwsClients
from include.config.model import ModelConfig
from include.preflight.asking import Check
from include.preflight.findings import Finding, Severity
from include.retention.occupancy import Occupancy, read_occupancy
from include.retention.refusal import why_no_room
from include.retention.retiring import plan_for_group

CHECK = "imported models"


def check_quotas(clients: AwsClients, config: ModelConfig, imported_model_name: str | None) -> Check[None]:
    """Yield an error when no slot is free for the model and none may be freed, and a warning when an import runs.

    A model that is imported already, or on its way, needs no slot; while its name is not known, a full quota is only
    a warning.
    """
    occupancy = read_occupancy(clients.bedrock, clients.service_quotas)
    others = [name for name in occupancy.running if name != imported_model_name]
    if others:
        found = "another import runs; Bedrock runs one at a time, so this one waits for its turn"
        yield Finding("warning", "running import jobs", ", ".join(others), found)
    if not occupancy.has_room_for(imported_model_name or ""):
        yield _no_room(clients, config, imported_model_name, occupancy)


def _no_room(
    clients: AwsClients, config: ModelConfig, imported_model_name: str | None, occupancy: Occupancy
) -> Finding:
    group, policy, now = config.model_name, config.retention, datetime.now(UTC)
    going = plan_for_group(clients, group, policy, now).before_import(make_room=policy.make_room)[: occupancy.lacking]
    if len(going) == occupancy.lacking:
        found = f"all {occupancy.quota} slots of the quota are taken"
        lines = "; ".join(f"{verdict.model.name} ({verdict.reason})" for verdict in going)
        return Finding("warning", CHECK, group, found, f"Before the import, the run deletes {lines}.")
    found, remedy = why_no_room(clients, occupancy, group, policy, now)
    severity: Severity = "error" if imported_model_name else "warning"
    return Finding(severity, CHECK, imported_model_name or group, found, remedy)
