"""Make the plan of a run: check everything that can be checked in seconds, and name the content."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from include.config import ModelConfig
from include.delivery.manifest import find_delivered
from include.inputs import describe_inputs
from include.naming import import_names
from include.plan import ImportPlan
from include.preflight.asking import AwsClients
from include.preflight.checks import preflight, preflight_content

log = logging.getLogger(__name__)


def make_plan(
    config: ModelConfig,
    clients: AwsClients,
    workspace: str,
    provenance: Mapping[str, str],
    landed_at: datetime | None = None,
) -> ImportPlan:
    """Return what the run will do; nothing is changed anywhere.

    Args:
        config: the run's configuration, complete with the account's settings.
        clients: whom to ask about the account.
        workspace: the folder in which this run may write.
        provenance: further tags of the import, e.g. the DAG run.
        landed_at: when the fine-tune landed that started the run, if one did.

    Raises:
        PreflightFailedError: names everything that is wrong, with its remedy.
    """
    account = config.account
    preflight(config, clients, Path(workspace), provenance)
    bucket, role_arn = str(account.bucket), str(account.role_arn)
    inputs = describe_inputs(config, clients.s3, clients.sagemaker)
    digest = inputs.fingerprint
    names = import_names(config.model_name, digest, bucket, account.prefix.strip("/"))
    delivered = find_delivered(clients.s3, bucket, names.manifest_key) is not None
    where = "lies there already" if delivered else "goes there"
    log.info("%s of %s, adapter %s: %s %s", names.imported_model_name, config.base, config.adapter, names.s3_uri, where)
    preflight_content(config, clients, Path(workspace), names.imported_model_name, inputs, delivered=delivered)
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
        delivered=delivered,
        workspace=workspace,
        tags={"fingerprint": digest, "model_name": config.model_name, **provenance},
        landed_at=landed_at,
    )
