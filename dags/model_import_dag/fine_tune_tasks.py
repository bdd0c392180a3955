"""The tasks of a fine-tune: each creates clients from Airflow's connection and calls a step."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, task

from include.run.workspace import run_workspace
from include.steps.training_results import HandOverResult, StartedTrainingResult, TrainingDataResult
from model_import_dag.clients import aws_clients
from model_import_dag.model_files import file_of
from model_import_dag.runs import PLAN, provenance, result_of
from model_import_dag.skipping import skip
from model_import_dag.timeouts import LONG
from model_import_dag.training_params import training_config

if TYPE_CHECKING:
    from include.aws.clients import AwsClients
    from include.training.plan import TrainingPlan

log = logging.getLogger(__name__)


def training_plan_of(context: Any) -> TrainingPlan:
    """Return the run's plan, which plan_training made."""
    from include.training.plan import TrainingPlan

    return result_of(context["ti"], PLAN, TrainingPlan)


def _clients(plan: TrainingPlan) -> AwsClients:
    return aws_clients(plan.aws_conn_id, plan.region_name, plan.config.account.kms_key_id)


@task
def plan_training(**context: Any) -> dict[str, Any]:
    """Check settings, account, base, data and prompt in seconds, and identify what would be trained."""
    from include.steps.plan_training import make_training_plan
    from include.training.errors import TrainingSectionMissingError

    file = file_of(context)
    if file is None:
        raise TrainingSectionMissingError(context["dag"].dag_id)
    config = training_config(file, context["params"])
    clients = aws_clients(config.account.aws_conn_id, config.account.region_name, config.account.kms_key_id)
    workspace = run_workspace(config.account.workspace, context["dag"].dag_id, context["run_id"])
    plan = make_training_plan(config, clients, workspace, provenance(context))
    return plan.model_dump(mode="json") | {"wait_seconds": plan.wait_seconds, "start_seconds": plan.max_wait_seconds}


@task(execution_timeout=LONG)
def prepare_data(**context: Any) -> dict[str, Any]:
    """Turn the data into tokens and bring data, base and script to S3, unless they are there already."""
    from include.steps.prepare_training import prepare_training

    plan = training_plan_of(context)
    return prepare_training(plan, _clients(plan)).model_dump(mode="json")


@task
def record_training(**context: Any) -> dict[str, Any]:
    """Keep losses, times, cost and versions of the finished training in S3."""
    from include.steps import record_training as step

    plan, ti = training_plan_of(context), context["ti"]
    prepared = result_of(ti, "prepare_data", TrainingDataResult)
    started = result_of(ti, "start_training", StartedTrainingResult)
    record = step.record_training(plan, prepared, started, _clients(plan))
    return record.model_dump(mode="json", exclude={"loss", "settings", "versions"})


@task
def hand_over(fine_tunes: Asset, **context: Any) -> dict[str, Any]:
    """Announce the adapter with an asset event, which starts the model's import if its schedule says so."""
    from include.registry.sagemaker import SageMakerRegistry
    from include.steps.hand_over import event_of, imported_version
    from include.training.errors import TrainingRecordMissingError
    from include.training.training_record import read_record, record_uri

    plan = training_plan_of(context)
    clients = _clients(plan)
    uri = record_uri(plan.bucket, plan.config.account.prefix, plan.config.model_name, plan.fingerprint)
    record = read_record(clients.s3, uri)
    if record is None:
        raise TrainingRecordMissingError(uri)
    versions = SageMakerRegistry(clients.sagemaker).versions(plan.config.model_name)
    if number := imported_version(record, versions):
        skip(f"version {number} was made of {record.job_name} already")
    event = event_of(record)
    context["outlet_events"][fine_tunes].extra = event
    log.info("Asset %s: %s", fine_tunes.name, event["artifact"])
    return HandOverResult(artifact=event["artifact"], asset=fine_tunes.name).model_dump(mode="json")
