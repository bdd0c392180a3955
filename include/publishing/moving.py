"""Move a model's pointer, and note on imported models that applications may call them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from include.aws.clients import AwsClients
from include.aws.publication import begin_publication, end_publication
from include.publishing.pointer import Pointer, delete_pointer, parameter_name, write_pointer

log = logging.getLogger(__name__)


def move(before: Pointer | None, now: Pointer, grace_hours: int, clients: AwsClients) -> None:
    """Write the parameter. The tags are written first: a model that applications may call is never deleted."""
    for arn in now.imported_model_arns:
        begin_publication(clients.bedrock, arn)
    until = datetime.now(UTC) + timedelta(hours=grace_hours)
    for arn in before.imported_model_arns if before else ():
        if arn not in now.imported_model_arns:
            end_publication(clients.bedrock, arn, until)
    write_pointer(clients.ssm, now)
    canary = (
        f", and version {now.canary.champion.version} for {now.canary.share:.0%} of the calls" if now.canary else ""
    )
    log.info("%s names version %s: %s%s", parameter_name(now.model_name), now.version, now.imported_model_arn, canary)


def move_back(before: Pointer | None, now: Pointer, grace_hours: int, clients: AwsClients) -> None:
    """Write the value that the parameter had before; delete it if it did not exist."""
    if before is not None:
        move(now, before, grace_hours, clients)
        return
    delete_pointer(clients.ssm, now.model_name)
    for arn in now.imported_model_arns:
        end_publication(clients.bedrock, arn, datetime.now(UTC))
