"""Make the plan of a fine-tune: run the quick checks and identify the content."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from include.aws.clients import AwsClients
from include.aws.tags import tag_value
from include.config.model import ModelConfig
from include.config.training import TrainingConfig
from include.preflight.training_checks import training_preflight
from include.run.identity import forced_identity
from include.run.inputs import describe
from include.run.plan import PROJECT_VERSION
from include.run.workspace import Workspace
from include.service.training_instances import load_training_instances
from include.steps.training_content import training_content
from include.training.errors import TrainingSectionMissingError
from include.training.plan import TrainingPlan

log = logging.getLogger(__name__)


def make_training_plan(
    config: ModelConfig, clients: AwsClients, workspace: str, provenance: Mapping[str, str]
) -> TrainingPlan:
    """Return the run's plan, without side effects.

    Args:
        config: the run's configuration, complete with the account's settings.
        clients: boto3 clients used to query the account.
        workspace: the run's place in the workspace, a folder or the URI of a prefix in S3.
        provenance: further tags of the training job, which together name the DAG run.

    Raises:
        PreflightFailedError: names everything that is wrong, with its remedy.
        TrainingSectionMissingError: the model's file says nothing about training.
    """
    training = config.training
    if training is None:
        raise TrainingSectionMissingError(config.model_name)
    files = Workspace(workspace)
    checked = training_preflight(config, clients, files.folder)
    files.clear_scratch()
    base = checked or describe(config.base, config, clients.s3, clients.sagemaker)
    content = training_content(config, training, base, clients.s3)
    identity = content.fingerprint
    if config.force:
        identity = forced_identity(identity, "/".join(provenance.values())).fingerprint
    plan = TrainingPlan(
        config=config,
        content=content.fingerprint,
        fingerprint=identity,
        base_digest=content.base,
        region_name=clients.region_name,
        aws_conn_id=config.account.aws_conn_id,
        role_arn=str(config.account.training_role_arn),
        image=str(training.job.image or config.account.training_image),
        bucket=str(config.account.bucket),
        dollars_per_hour=_dollars_per_hour(training, clients.region_name),
        workspace=workspace,
        tags={
            "fingerprint": identity,
            "content": content.fingerprint,
            "model_name": config.model_name,
            "base": tag_value(config.base),
            "data": tag_value(training.data),
            "project_version": PROJECT_VERSION,
            **provenance,
        },
    )
    log.info("%s: %s on %s, %s", plan.job_name, training.method, training.data, plan.uri(""))
    return plan


def _dollars_per_hour(training: TrainingConfig, region_name: str) -> float | None:
    price = load_training_instances().hourly_price(training.job.instance_type, region_name)
    return None if price is None else price * training.job.instances
