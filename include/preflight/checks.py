"""Run all preflight checks, and report all findings at once, in the log and in one error."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from include.aws.clients import AwsClients
from include.config.model import ModelConfig
from include.preflight.account_checks import check_account
from include.preflight.asking import collected, guarded
from include.preflight.findings import Finding, Severity, raise_on_errors
from include.preflight.input_checks import check_inputs
from include.preflight.name_checks import check_names, check_ownership
from include.preflight.promotion_checks import check_baseline, check_promotion
from include.preflight.quota_checks import check_quotas
from include.preflight.workspace_checks import check_workspace
from include.run.inputs import RunInputs
from include.run.workspace import Workspace

log = logging.getLogger(__name__)

_LEVELS: Mapping[Severity, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def preflight(
    config: ModelConfig, clients: AwsClients, workspace: Workspace, tags: Mapping[str, str]
) -> RunInputs | None:
    """Check everything that a run needs, without reading weights, and log the findings.

    Returns the descriptions of base and adapter, or None if the caller may not read one of them.

    Args:
        config: the run's configuration, complete with the account's settings.
        clients: boto3 clients used to query the account.
        workspace: the run's place in the workspace; a folder is created.
        tags: tags of the import.

    Raises:
        PreflightFailedError: names everything that is wrong, with its remedy.
    """
    findings, inputs = collected(check_inputs(config, clients))
    findings += [*check_names(config, tags), *check_promotion(config), *check_account(clients, config)]
    findings += [*check_baseline(config, clients), *check_ownership(clients, config, tags)]
    if any(finding.severity == "error" for finding in findings):
        # Checks that depend on the content run later otherwise; a failure reports everything at once.
        findings += _of_content(config, clients, workspace, None, inputs, delivered=False)
    notify(findings)
    return inputs


def preflight_content(
    config: ModelConfig,
    clients: AwsClients,
    workspace: Workspace,
    imported_model_name: str,
    inputs: RunInputs,
    *,
    delivered: bool,
) -> None:
    """Run the checks that depend on the content: a slot for the model, and space in the workspace.

    Args:
        config: the run's configuration.
        clients: boto3 clients used to query the account.
        workspace: the run's place in the workspace.
        imported_model_name: the name under which this content is imported.
        inputs: base model and adapter.
        delivered: whether the checkpoint is in S3 already, so that nothing is written here.

    Raises:
        PreflightFailedError: there is no room, and what to do.
    """
    notify([*_of_content(config, clients, workspace, imported_model_name, inputs, delivered=delivered)])


def notify(findings: list[Finding]) -> None:
    """Log findings; raise PreflightFailedError if one is an error."""
    for finding in findings:
        log.log(_LEVELS[finding.severity], "%s", finding.text())
    raise_on_errors(findings)


def _of_content(
    config: ModelConfig,
    clients: AwsClients,
    workspace: Workspace,
    imported_model_name: str | None,
    inputs: RunInputs | None,
    *,
    delivered: bool,
) -> Iterator[Finding]:
    quotas = check_quotas(clients, config, imported_model_name)
    right = "bedrock:ListImportedModels, bedrock:ListModelImportJobs"
    yield from guarded("imported models", config.model_name, right, quotas)
    if not delivered:
        room = check_workspace(workspace, config.account, inputs, clients.s3)
        yield from guarded("workspace", workspace.place, "s3:GetObject on the adapter", room)
