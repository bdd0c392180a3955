"""The tasks of an import DAG: each creates clients from Airflow's connection and calls a step."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import Asset, task

from include.config.account import CONNECTION_FIELDS
from include.config.files import read_model_files
from include.run.workspace import run_workspace
from include.steps.results import ImportResult, NeededResult
from model_import_dag.account import account_of
from model_import_dag.clients import aws_clients, clients_of
from model_import_dag.model_files import MODELS_FOLDER, file_of
from model_import_dag.params import run_config
from model_import_dag.runs import (
    final_version,
    link_to_report,
    link_to_s3,
    plan_of,
    provenance,
    require_owner,
    result_of,
    run_name,
)
from model_import_dag.schedules import landed_fine_tune
from model_import_dag.skipping import skip, skip_ahead
from model_import_dag.timeouts import LONG

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.run.plan import ImportPlan

log = logging.getLogger(__name__)
R = TypeVar("R")


@task
def preflight(fine_tunes: Asset | None = None, replaces: str = "", **context: Any) -> dict[str, Any]:
    """Check inputs, names and account in seconds, and plan the run; an event-driven run takes the newest artifact."""
    from include.steps.plan_run import make_plan

    landed = landed_fine_tune(context, fine_tunes) if fine_tunes else None
    params = {**context["params"], **({replaces: landed.artifact} if landed else {})}
    config = run_config(file_of(context), params, read_model_files(MODELS_FOLDER))
    clients = aws_clients(config.account.aws_conn_id, config.account.region_name, config.account.kms_key_id)
    workspace = run_workspace(config.account.workspace, context["dag"].dag_id, context["run_id"])
    landed_at = landed.landed_at if landed else None
    return make_plan(config, clients, workspace, provenance(context), landed_at).model_dump(mode="json")


@task
def decide_import(**context: Any) -> dict[str, Any]:
    """Skip the tasks that would do nothing: all of them when the content is imported, measured and reported already.

    A run that was not triggered by hand also ends when its content is registered, or is not the newest.
    """
    from include.steps.unchanged import unnecessary_tasks

    plan = plan_of(context)
    decided = _is_needed(context, plan)
    log.info("%s: %s", "The import continues" if decided.needed else "Nothing to import", decided.reason)
    if decided.unchanged:
        link_to_report(context, plan)
    result = decided.model_dump(mode="json")
    skip_ahead(context, unnecessary_tasks(plan) if decided.needed else None, result)
    return result


def _is_needed(context: Any, plan: ImportPlan) -> NeededResult:
    from include.registry.sagemaker import SageMakerRegistry
    from include.steps.newest_fine_tune import judge
    from include.steps.unchanged import find_unchanged

    clients = clients_of(plan)
    if context["dag_run"].run_type != "manual":
        verdict = judge(plan, SageMakerRegistry(clients.sagemaker).versions(plan.config.model_name))
        return NeededResult(needed=verdict.goes_on, reason=verdict.reason)
    if found := find_unchanged(plan, clients):
        reason = f"version {found.version} is the champion, with this content, measured and reported"
        return NeededResult(needed=False, reason=reason, unchanged=found)
    return NeededResult(needed=True, reason="it was triggered by hand, and not all of it is done already")


def _run_step(
    context: Any, step: Callable[[ImportPlan, Any, Any], R], why_not: Callable[[ImportPlan, Any], str | None]
) -> R:
    """Return what the step returns; skip the task when there is a reason not to run the step."""
    plan = plan_of(context)
    clients = clients_of(plan)
    if reason := why_not(plan, clients.s3):
        skip(reason)
    return step(plan, clients.s3, clients.sagemaker)


@task(execution_timeout=LONG)
def convert_to_hf(**context: Any) -> dict[str, Any]:
    """Fetch the base model if necessary, and convert it to the Hugging Face format that Bedrock reads."""
    from include.steps.prepare import prepare_base, why_no_preparation

    prepared = _run_step(context, prepare_base, why_no_preparation)
    if not prepared.changed:
        skip("the base model is what Bedrock reads already")
    return prepared.model_dump(mode="json")


@task(trigger_rule="none_failed", execution_timeout=LONG)
def merge_lora(**context: Any) -> dict[str, Any]:
    """Merge the adapter into the base model, writing only the tensors it changes."""
    from include.steps.prepare import merge, why_no_merge

    return _run_step(context, merge, why_no_merge).model_dump(mode="json")


@task(trigger_rule="none_failed", execution_timeout=LONG)
def validate_checkpoint(**context: Any) -> dict[str, Any]:
    """Check the checkpoint against what Bedrock will read."""
    from include.steps.prepare import validate, why_no_preparation

    return _run_step(context, validate, why_no_preparation).model_dump(mode="json")


@task(trigger_rule="none_failed", execution_timeout=LONG)
def upload_checkpoint(**context: Any) -> dict[str, Any]:
    """Deliver the checkpoint to its S3 prefix; files that are there already are not sent again."""
    from include.steps.deliver import deliver

    plan = plan_of(context)
    link_to_s3(context, plan)
    clients = clients_of(plan)
    return deliver(plan, clients.s3, clients.sagemaker).model_dump(mode="json")


@task
def free_model_slot(**context: Any) -> dict[str, Any]:
    """Retire a version of this model when the account has no room for another one."""
    from include.aws.model_use import begin_use
    from include.retention.room import free_slot

    plan = plan_of(context)
    clients = clients_of(plan)
    model, group, policy = plan.imported_model_name, plan.config.model_name, plan.config.retention
    require_owner(context, clients.sagemaker)
    begin_use(clients.bedrock, model, run_name(context), datetime.now(UTC))  # a model that this run takes over
    report = free_slot(clients, model, group, policy, datetime.now(UTC))
    if report is None:
        skip("the account has room for this model")
    return {"summary": report.summary()}


@task(trigger_rule="none_failed", execution_timeout=LONG)
def evaluate_model(**context: Any) -> dict[str, Any]:
    """Evaluate the imported model on the evaluation set, or on each of several."""
    from include.aws.model_use import begin_use
    from include.steps.evaluate import measure_suites

    plan = plan_of(context)
    clients = clients_of(plan)
    model_arn = result_of(context["ti"], "wait_for_import", ImportResult).imported_model_arn
    begin_use(clients.bedrock, model_arn, run_name(context), datetime.now(UTC))
    return measure_suites(plan, model_arn, clients).model_dump(mode="json")


@task(trigger_rule="none_failed")
def retire_old_versions(**context: Any) -> dict[str, Any]:
    """Retire versions that the retention policy does not keep, after a version was approved."""
    from include.aws.model_use import end_use
    from include.retention.retiring import retire_after_promotion

    plan = plan_of(context)
    clients = clients_of(plan)
    end_use(clients.bedrock, plan.imported_model_name, run_name(context), datetime.now(UTC))
    if final_version(context["ti"]).status != "Approved":
        skip("this version was not promoted: nothing is retired")
    require_owner(context, clients.sagemaker)
    report = retire_after_promotion(clients, plan.config.model_name, plan.config.retention, datetime.now(UTC))
    log.info("%s", report.summary())
    return {"summary": report.summary()}


@task(trigger_rule="all_done")
def clear_workspace(**context: Any) -> None:
    """Remove this run's files from the workspace."""
    from include.steps import clear_workspace as step

    account = account_of(file_of(context), "workspace", *CONNECTION_FIELDS)
    step.clear_workspace(
        account.workspace,
        context["dag"].dag_id,
        context["run_id"],
        lambda: aws_clients(account.aws_conn_id, account.region_name).s3,
    )
