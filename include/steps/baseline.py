"""The baseline: an imported model, usually the base model, that every version is shown beside.

It is asked the questions of the main suite once per data set and prompt. Its answers are kept below the model's folder
in S3, so that all versions find them. Nothing is decided by them: a baseline that cannot be asked is no failure.
"""

from __future__ import annotations

import logging

from botocore.exceptions import ClientError

from include.aws.calls import find_imported_model
from include.aws.clients import AwsClients
from include.aws.transient import NO_ANSWER
from include.errors import ModelImportError
from include.reporting.content import Measured
from include.run.names import baseline_folder
from include.run.plan import ImportPlan
from include.steps.evaluate import measure, stored_main_report

log = logging.getLogger(__name__)

_FAILURES = (ModelImportError, ClientError, *NO_ANSWER)


class BaselineMissingError(ModelImportError):
    """Bedrock has no imported model of the baseline's name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "The baseline is not imported",
            name,
            "the name or ARN of an imported model in this account and region",
            "none of this name",
            "Correct comparison.baseline, or import the model.",
        )


def measure_baseline(plan: ImportPlan, clients: AwsClients) -> None:
    """Ask the baseline, if the model has one, what it has not been asked before."""
    if name := plan.config.comparison.baseline:
        try:
            measure(_kept_by_baseline(plan), _arn_of(name, clients), clients)
        except _FAILURES as error:
            log.warning("The baseline %s could not be asked, and is not shown beside this version: %s", name, error)


def stored_baseline(plan: ImportPlan, clients: AwsClients) -> Measured | None:
    """Return what the baseline answered, for a report; None where there is none, or it has not answered everything."""
    name = plan.config.comparison.baseline
    if not name:
        return None
    try:
        found = stored_main_report(_kept_by_baseline(plan), _arn_of(name, clients), clients)
    except _FAILURES as error:
        log.warning("What the baseline %s answered cannot be read: %s", name, error)
        return None
    return Measured(f"baseline {name.rpartition('/')[2]}", found, ()) if found else None


def _kept_by_baseline(plan: ImportPlan) -> ImportPlan:
    folder = baseline_folder(plan.config.model_name, plan.config.account.prefix)
    return plan.model_copy(update={"evaluation_prefix": folder})


def _arn_of(name: str, clients: AwsClients) -> str:
    if name.startswith("arn:"):
        return name
    model = find_imported_model(clients.bedrock, name)
    if model is None:
        raise BaselineMissingError(name)
    return str(model["modelArn"])
