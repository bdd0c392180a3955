"""The task that puts a run's measurements into CloudWatch."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from include.aws.clients import AwsClients
from include.steps.results import (
    EvaluationResult,
    ImportResult,
    MetricsResult,
    Slots,
    StartedImportResult,
    WarmUpResult,
)
from model_import_dag.account import account_of
from model_import_dag.clients import aws_clients
from model_import_dag.model_files import file_of, model_name_of
from model_import_dag.notifications import notify_quota
from model_import_dag.runs import result_if_any
from model_import_dag.skipping import skip


@task(trigger_rule="all_done", on_success_callback=notify_quota)
def put_metrics(**context: Any) -> dict[str, Any]:
    """Put the run's metrics, and return the use of the quota of imported models."""
    account = account_of(file_of(context))
    if not (account.metrics_namespace or account.topic_arn):
        skip("neither a namespace for metrics nor a topic is set")
    clients = aws_clients(account.aws_conn_id, account.region_name)
    return _put(context, account.metrics_namespace, clients).model_dump(mode="json")


def _put(context: Any, namespace: str | None, clients: AwsClients) -> MetricsResult:
    from include.retention.occupancy import read_occupancy
    from include.steps.cloudwatch import RunMeasurements, run_failed, run_metrics, slot_metric

    ti, region = context["ti"], clients.region_name
    measured = RunMeasurements(
        result_if_any(ti, "create_import_job", StartedImportResult),
        result_if_any(ti, "wait_for_import", ImportResult),
        result_if_any(ti, "warm_up", WarmUpResult),
        result_if_any(ti, "evaluate_model", EvaluationResult),
    )
    occupancy = read_occupancy(clients.bedrock, clients.service_quotas)
    states = ti.get_task_states(ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
    failed = run_failed(states.values())
    cost = _storage_cost(clients.bedrock, measured.imported, region)
    metrics = run_metrics(model_name_of(context), region, measured, failed, cost)
    metrics.append(slot_metric(region, occupancy.free))
    if namespace:
        clients.cloudwatch.put_metric_data(Namespace=namespace, MetricData=metrics)
    slots = Slots(quota=occupancy.quota, free=occupancy.free, imported=occupancy.imported)
    return MetricsResult(metrics={metric["MetricName"]: metric["Value"] for metric in metrics}, slots=slots)


def _storage_cost(bedrock: Any, imported: ImportResult | None, region: str) -> float | None:
    """Return the imported model's monthly storage cost, or None if there is no imported model."""
    from include.aws.calls import find_imported_model
    from include.service.pricing import model_cost

    model = find_imported_model(bedrock, imported.imported_model_arn) if imported else None
    return model_cost(model.get("customModelUnits"), region).storage_month_dollars if model else None
