"""Preflight of the quotas: is there room for another imported model, and does another import run."""

from __future__ import annotations

from datetime import UTC, datetime

from include.aws.imported_models import RetentionClients
from include.config.model import ModelConfig
from include.preflight.asking import AwsClients, Check
from include.preflight.findings import Finding, Severity
from include.retention.retiring import plan_for_group
from include.retention.room import Occupancy, explain, read_occupancy

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
    own = RetentionClients(clients.bedrock, clients.s3, clients.sagemaker)
    plan = plan_for_group(own, config.model_name, config.retention, datetime.now(UTC))
    found, remedy = explain(occupancy, plan)
    needed = 1 - occupancy.free
    if config.retention.make_room and len(plan.retire) >= needed:
        going = ", ".join(verdict.model.name for verdict in plan.retire[:needed])
        remedy = f"Before the import, the retention policy retires {going}."
        return Finding("warning", CHECK, config.model_name, found, remedy)
    severity: Severity = "error" if imported_model_name else "warning"
    return Finding(severity, CHECK, imported_model_name or config.model_name, found, remedy)
