"""Make the plan of a run: run the quick checks and identify the content."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from include.aws.clients import AwsClients
from include.aws.tags import MODEL_SOURCE_TAG, model_source_tag_value, tag_value
from include.config.model import ModelConfig
from include.delivery.manifest import find_delivered, installed_versions
from include.preflight.checks import preflight, preflight_content
from include.run.identity import ImportIdentity, existing_identity, forced_identity
from include.run.inputs import describe_inputs
from include.run.names import ImportNames, import_names
from include.run.plan import PREPARATION_VERSION, PROJECT_VERSION, ImportPlan
from include.run.workspace import Workspace
from include.steps.usual_duration import usual_import_seconds

log = logging.getLogger(__name__)


def make_plan(
    config: ModelConfig,
    clients: AwsClients,
    workspace: str,
    provenance: Mapping[str, str],
    landed_at: datetime | None = None,
) -> ImportPlan:
    """Return the run's plan, without side effects.

    Args:
        config: the run's configuration, complete with the account's settings.
        clients: boto3 clients used to query the account.
        workspace: the run's place in the workspace, a folder or the URI of a prefix in S3.
        provenance: further tags of the import, which together name the DAG run.
        landed_at: when the fine-tune landed that started the run, if one did.

    Raises:
        PreflightFailedError: names everything that is wrong, with its remedy.
    """
    account = config.account
    tags = {**source_tags(config), **provenance}
    checked = preflight(config, clients, Workspace(workspace), tags)
    bucket, role_arn = str(account.bucket), str(account.role_arn)
    inputs = checked or describe_inputs(config, clients.s3, clients.sagemaker)
    identity = _identity(config, clients, inputs.fingerprint, "/".join(provenance.values()))
    names = import_names(config.model_name, identity, bucket, account.prefix.strip("/"))
    delivered = find_delivered(clients.s3, bucket, names.manifest_key) is not None
    size = sum(file.size for file in inputs.base.files)
    _notify(config, identity, names, delivered=delivered)
    preflight_content(config, clients, Workspace(workspace), names.imported_model_name, inputs, delivered=delivered)
    return ImportPlan(
        config=config,
        content=identity.content,
        fingerprint=identity.fingerprint,
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
        delivered=delivered,
        checkpoint_bytes=size,
        usual_seconds=usual_import_seconds(clients.sagemaker, config.model_name, size),
        workspace=workspace,
        tags={
            "fingerprint": identity.fingerprint,
            "content": identity.content,
            MODEL_SOURCE_TAG: model_source_tag_value(names.s3_uri),
            **tags,
        },
        landed_at=landed_at,
    )


def source_tags(config: ModelConfig) -> dict[str, str]:
    """Return tags with a model's sources and package versions."""
    return {
        "model_name": config.model_name,
        "base": tag_value(config.base),
        "adapter": tag_value(config.adapter or "none"),
        "forced": str(config.force).lower(),
        "preparation_version": PREPARATION_VERSION,
        "transformers_version": installed_versions().get("transformers", "none"),
        "project_version": PROJECT_VERSION,
    }


def _identity(config: ModelConfig, clients: AwsClients, content: str, run: str) -> ImportIdentity:
    if config.force:
        return forced_identity(content, run)
    return existing_identity(clients.bedrock, config.model_name, content)


def _notify(config: ModelConfig, identity: ImportIdentity, names: ImportNames, *, delivered: bool) -> None:
    if config.force:
        log.warning("force is on: content %s is imported again, as %s", identity.content, names.imported_model_name)
    where = "is already there" if delivered else "will be uploaded there"
    source = f"{config.base} with adapter {config.adapter}" if config.adapter else f"{config.base} without an adapter"
    log.info("%s of %s: %s %s", names.imported_model_name, source, names.s3_uri, where)
