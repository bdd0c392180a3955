"""The tasks about a Bedrock evaluation job: create it, wait for it deferred, and read its scores."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import task

from bedrock_import.sensors import BedrockEvaluationJobCompletedSensor
from include.steps.evaluation_job_results import StartedEvaluationJob
from include.steps.results import EvaluationResult
from model_import_dag.clients import clients_of
from model_import_dag.runs import is_last_try, plan_of, planned, result_of
from model_import_dag.skipping import skip
from model_import_dag.timeouts import QUICK

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

CREATE, WAIT, READ = "create_bedrock_evaluation", "wait_for_bedrock_evaluation", "read_bedrock_evaluation"


@task
def create_bedrock_evaluation(**context: Any) -> dict[str, Any]:
    """Have a Bedrock evaluation job score the answers; the job for the same answers is adopted."""
    from include.steps.bedrock_evaluation import create_evaluation

    plan, ti = plan_of(context), context["ti"]
    evaluation = result_of(ti, "evaluate_model", EvaluationResult)
    started = create_evaluation(plan, evaluation, clients_of(plan), last_try=is_last_try(ti))
    return started.model_dump(mode="json")


class EvaluationJobSensor(BedrockEvaluationJobCompletedSensor):
    """Skipped where there is no job to wait for, and where it did not complete: its scores only inform."""

    def execute(self, context: Context) -> Any:
        """Wait, if there is a job."""
        started = result_of(context["ti"], CREATE, StartedEvaluationJob)
        if not started.job_arn:
            skip(started.problem)
        return super().execute(context)


def wait_for_bedrock_evaluation(timeout: float, poll_interval: float) -> EvaluationJobSensor:
    """Return the task."""
    started = f"ti.xcom_pull(task_ids='{CREATE}')"
    return EvaluationJobSensor(
        task_id=WAIT,
        doc_md="Wait, deferred, until the evaluation job has ended; skipped if it did not complete.",
        trigger_rule="none_failed",  # the judge's task is skipped without a champion
        execution_timeout=timedelta(seconds=timeout) + QUICK,
        job_arn=f"{{{{ {started}['job_arn'] }}}}",
        job_name=f"{{{{ {started}['job_name'] }}}}",
        timeout=timeout,
        poke_interval=poll_interval,
        soft_fail=True,
        deferrable=True,
        aws_conn_id=planned("aws_conn_id"),
        region_name=planned("region_name"),
    )


@task(trigger_rule="none_failed")
def read_bedrock_evaluation(**context: Any) -> dict[str, Any]:
    """Read the scores of the evaluation job, and store them beside the evaluation."""
    from include.steps.bedrock_evaluation import read_evaluation

    plan, ti = plan_of(context), context["ti"]
    evaluation, started = result_of(ti, "evaluate_model", EvaluationResult), result_of(ti, CREATE, StartedEvaluationJob)
    found = read_evaluation(plan, evaluation, started, clients_of(plan), last_try=is_last_try(ti))
    return found.model_dump(mode="json")
