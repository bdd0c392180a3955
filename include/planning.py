"""Make the plan of a run: check everything that can be checked in seconds, and name the content."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from include.config import ModelConfig
from include.delivery.manifest import find_delivered
from include.naming import import_names
from include.plan import PREPARATION_VERSION, ImportPlan, project_path
from include.preflight.account_checks import check_account
from include.preflight.asking import AwsClients, Check, guarded
from include.preflight.findings import Finding, Severity, raise_on_errors
from include.preflight.input_checks import check_inputs
from include.preflight.name_checks import check_names
from include.preflight.quota_checks import check_quotas
from include.preflight.workspace_checks import check_workspace
from include.sources.fingerprint import describe_folder, fingerprint

log = logging.getLogger(__name__)
_LEVELS: Mapping[Severity, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _log(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        log.log(_LEVELS[finding.severity], "%s", finding.line())


def content_fingerprint(config: ModelConfig) -> str:
    """Return the 64 hexadecimal digits that name the run's base, adapter and way of preparing them."""
    cache = project_path(config.account.workspace) / "checksums"
    base = describe_folder(project_path(config.base), cache)
    adapter = describe_folder(project_path(config.adapter), cache) if config.adapter else ()
    return fingerprint(base, adapter, {"preparation": PREPARATION_VERSION})


def source_kind(folder: Path) -> str:
    """Return how the base model is stored: ``hf`` or ``raw_mistral``."""
    from include.checkpoint.inspection import inspect

    return inspect(str(folder)).kind


def make_plan(config: ModelConfig, clients: AwsClients, workspace: str, provenance: Mapping[str, str]) -> ImportPlan:
    """Return what the run will do; nothing is changed anywhere.

    Args:
        config: the run's configuration, complete with the account's settings.
        clients: whom to ask about the account.
        workspace: the folder in which this run may write.
        provenance: further tags of the import, e.g. the DAG run.

    Raises:
        PreflightFailedError: names everything that is wrong, with its remedy.
    """
    account = config.account
    findings = (*check_inputs(config), *check_names(config, provenance), *check_account(clients, config))
    if any(finding.severity == "error" for finding in findings):
        findings = (*findings, *_check_room(config, clients, workspace, None))
    _log(findings)
    raise_on_errors(findings)
    bucket, role_arn = str(account.bucket), str(account.role_arn)
    digest = content_fingerprint(config)
    names = import_names(config.model_name, digest, bucket, account.prefix.strip("/"))
    kind, delivered = source_kind(project_path(config.base)), find_delivered(clients.s3, bucket, names.manifest_key)
    writes = None if delivered else kind
    room = tuple(_check_room(config, clients, workspace, names.imported_model_name, writes))
    _log(room)
    raise_on_errors(room)
    return ImportPlan(
        config=config,
        fingerprint=digest,
        region_name=clients.region_name,
        aws_conn_id=account.aws_conn_id,
        role_arn=role_arn,
        bucket=bucket,
        imported_model_name=names.imported_model_name,
        job_name=names.job_name,
        client_request_token=names.client_request_token,
        s3_uri=names.s3_uri,
        manifest_key=names.manifest_key,
        evaluation_prefix=names.evaluation_prefix,
        source_kind=source_kind(project_path(config.base)),
        delivered=find_delivered(clients.s3, bucket, names.manifest_key) is not None,
        workspace=workspace,
        tags={"fingerprint": digest, "model_name": config.model_name, **provenance},
    )
