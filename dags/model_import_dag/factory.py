"""Build an import DAG from its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import DAG, Asset, TaskGroup, XComArg, chain

from airflow_versions import set_retry_policy
from aws_waits.links import S3PrefixLink
from bedrock_import.links import SageMakerModelRegistryLink
from bedrock_import.operators import BedrockCreateModelImportJobOperator
from bedrock_import.pools import pool_name
from bedrock_import.sensors import BedrockModelImportJobCompletedSensor
from include.aws.tags import MODEL_SOURCE_TAG
from include.config.model import ModelConfig
from model_import_dag import promotion_tasks, tasks
from model_import_dag.approval import ask_for_approval
from model_import_dag.bedrock_evaluation import (
    create_bedrock_evaluation,
    read_bedrock_evaluation,
    wait_for_bedrock_evaluation,
)
from model_import_dag.canary import watch_canary
from model_import_dag.metric_tasks import put_metrics
from model_import_dag.model_files import MODEL_FILE
from model_import_dag.notifications import notify_promotion
from model_import_dag.params import form_params
from model_import_dag.publishing import publish_after_run
from model_import_dag.report_link import ModelReportLink
from model_import_dag.retries import ImportRetryPolicy
from model_import_dag.runs import PREFLIGHT, planned
from model_import_dag.schedules import dag_schedule, fine_tunes_asset
from model_import_dag.task_defaults import task_defaults
from model_import_dag.timeouts import QUICK
from model_import_dag.warm_up import WarmUpSensor

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

#: Tags of the import job and the imported model; each is an entry of the plan's tags.
TAGS = (
    "fingerprint", "content", "forced", "model_name", "base", "adapter",
    "preparation_version", "transformers_version", "project_version", "dag_id", "dag_run_id", MODEL_SOURCE_TAG,
)  # fmt: skip
#: Above all others: of the tasks that queue in the pool, who waits for a job comes before who wants to start one.
WAIT_PRIORITY = 100
#: Of the tasks of an urgent model; others weigh one and one more for each task after them.
URGENT_PRIORITY = 50
DOC = """
Takes a model to Amazon Bedrock: convert, merge, validate, upload, import, warm up, evaluate, decide, register.

Content that was imported before is found again and nothing is made twice. Press **Trigger** for the form; every field
is described there. The report is linked on `write_report`; a model that a person has to judge waits at
`approve_promotion`, under **Required Actions**.
"""


@dataclass(frozen=True)
class Waits:
    """Timeouts and polling intervals of an import, in seconds."""

    import_timeout: float = 4 * 3600
    warm_up_timeout: float = 600
    evaluation_timeout: float = 4 * 3600
    first_poll: float = 3
    longest_poll: float = 60
    slot_poll: int = 30
    slot_timeout: int = 2 * 3600
    retry_delay: float = 30


def _tags() -> list[dict[str, str]]:
    plan_tags = f"ti.xcom_pull(task_ids='{PREFLIGHT}')['tags']"
    return [{"key": tag, "value": f"{{{{ {plan_tags}['{tag}'] }}}}"} for tag in TAGS]


def _aws() -> dict[str, Any]:
    return {"aws_conn_id": planned("aws_conn_id"), "region_name": planned("region_name")}


def _create_import_job(waits: Waits, pool: str) -> BedrockCreateModelImportJobOperator:
    return BedrockCreateModelImportJobOperator(
        task_id="create_import_job",
        doc_md="Start the import job, adopt a running one, or find the imported model; wait for a free job slot.",
        execution_timeout=timedelta(seconds=waits.slot_timeout) + QUICK,
        job_name=planned("job_name"),
        imported_model_name=planned("imported_model_name"),
        role_arn=planned("role_arn"),
        s3_uri=planned("s3_uri"),
        client_request_token=planned("client_request_token"),
        trigger_rule="none_failed",
        import_job_kwargs={"jobTags": _tags(), "importedModelTags": _tags()},
        wait_for_completion=False,
        waiter_delay=waits.slot_poll,
        waiter_max_attempts=waits.slot_timeout // waits.slot_poll,
        deferrable=True,
        pool=pool,
        **_aws(),
    )


def _wait_for_import(waits: Waits, pool: str) -> BedrockModelImportJobCompletedSensor:
    return BedrockModelImportJobCompletedSensor(
        task_id="wait_for_import",
        doc_md="Wait, deferred, until the import job has completed or failed.",
        execution_timeout=timedelta(seconds=waits.import_timeout) + QUICK,
        job_identifier="{{ ti.xcom_pull(task_ids='create_import_job')['job_arn'] }}",
        usual_seconds=f"{{{{ ti.xcom_pull(task_ids='{PREFLIGHT}')['usual_seconds'] or '' }}}}",
        timeout=waits.import_timeout,
        poke_interval=waits.first_poll,
        exponential_backoff=True,
        max_wait=timedelta(seconds=waits.longest_poll),
        deferrable=True,
        pool=pool,
        priority_weight=WAIT_PRIORITY,
        weight_rule="absolute",
        **_aws(),
    )


def _warm_up(waits: Waits) -> WarmUpSensor:
    return WarmUpSensor(
        task_id="warm_up",
        doc_md="Wait, deferred, until the imported model answers, and try a smoke prompt; skipped if nothing is asked.",
        execution_timeout=timedelta(seconds=waits.warm_up_timeout) + QUICK,
        imported_model_arn="{{ ti.xcom_pull(task_ids='wait_for_import')['imported_model_arn'] }}",
        timeout=waits.warm_up_timeout,
        poke_interval=waits.first_poll,
        deferrable=True,
        **_aws(),
    )


def _first_tasks(config: ModelConfig | None, fine_tunes: Asset | None) -> list[Any]:
    decide = _linked(tasks.decide_import(), ModelReportLink())
    schedule = config.schedule if config else None
    if schedule is None or not fine_tunes:
        return [tasks.preflight(), decide]
    replaces = schedule.events.replaces if schedule.events else "adapter"
    return [tasks.preflight.override(inlets=[fine_tunes])(fine_tunes, replaces), decide]


def _group(group_id: str, tooltip: str) -> TaskGroup:
    """Return a group of the graph; the ids of its tasks do not name it."""
    return TaskGroup(group_id, tooltip=tooltip, prefix_group_id=False)


def _linked(task: XComArg, *links: BaseOperatorLink) -> XComArg:
    """Return the task, with these links in its details."""
    cast("PlainXComArg", task).operator.operator_extra_links = links
    return task


def _prepare_and_deliver() -> list[Any]:
    with _group("prepare", "Convert, merge and validate the checkpoint"):
        prepared = [tasks.convert_to_hf(), tasks.merge_lora(), tasks.validate_checkpoint()]
    with _group("deliver", "Upload the checkpoint to S3"):
        upload = _linked(tasks.upload_checkpoint(), S3PrefixLink())
    return [*prepared, upload]


def _import(waits: Waits, pool: str) -> list[Any]:
    with _group("import", "Import the checkpoint into Amazon Bedrock"):
        return [
            tasks.free_model_slot(), _create_import_job(waits, pool), _wait_for_import(waits, pool), _warm_up(waits)
        ]  # fmt: skip


def _evaluate(config: ModelConfig | None, waits: Waits) -> list[Any]:
    """Return the tasks in their order: an evaluation job runs while the champion is measured and judged."""
    judges = config is not None and config.judge is not None
    has_job = config is not None and config.bedrock_evaluation is not None
    with _group("evaluate", "Measure the imported model and the champion on the same records"):
        measure: list[Any] = [tasks.evaluate_model()]
        measure += [create_bedrock_evaluation()] if has_job else []
        measure += [promotion_tasks.evaluate_champion()]
        measure += [promotion_tasks.judge_answers()] if judges else []
        if has_job:
            wait = wait_for_bedrock_evaluation(waits.evaluation_timeout, waits.longest_poll)
            measure += [wait, read_bedrock_evaluation()]
        return measure


def _promote(config: ModelConfig | None) -> list[Any]:
    """Return the tasks from the decision to the announcement, in their order."""
    to_publish = config.publish if config else None
    with _group("promote", "Decide, register, report, and ask a person where needed"):
        decide = promotion_tasks.decide_promotion()
        register = _linked(promotion_tasks.register_version(), SageMakerModelRegistryLink())
        report = _linked(promotion_tasks.write_report(), ModelReportLink())
        approval, record = ask_for_approval(), _linked(promotion_tasks.record_answer(), ModelReportLink())
        publish: list[Any] = [publish_after_run()] if to_publish else []
        publish += [watch_canary(to_publish.canary)] if to_publish and to_publish.canary else []
        announce = promotion_tasks.announce_promotion.override(on_success_callback=notify_promotion)()
    return [decide, register, report, approval, record, *publish, announce]


def _maintain() -> list[Any]:
    with _group("maintain", "Delete old versions, publish metrics, clear the workspace"):
        return [tasks.retire_old_versions(), put_metrics().as_teardown(), tasks.clear_workspace().as_teardown()]


def _priority(config: ModelConfig | None) -> dict[str, Any]:
    urgent = config is not None and config.urgent
    return {"weight_rule": "absolute", "priority_weight": URGENT_PRIORITY} if urgent else {}


def build_import_dag(dag_id: str, config: ModelConfig | None, waits: Waits = Waits()) -> DAG:
    """Return the DAG that imports one model, or with ``config`` None the form that imports any model.

    A DAG that starts by itself has one run at a time: what lands meanwhile is taken by the next one together.
    """
    fine_tunes = fine_tunes_asset(config) if config else None
    schedule = dag_schedule(config, fine_tunes)
    pool = pool_name(config.account.region_name if config else None)
    with DAG(
        dag_id,
        description=config.description if config else "Imports any model into Amazon Bedrock",
        schedule=schedule,
        catchup=False,
        params=form_params(config),
        user_defined_macros={MODEL_FILE: config},
        tags=["bedrock", "model-import"],
        doc_md=DOC,
        default_args=task_defaults(waits.retry_delay) | _priority(config),
    ) as dag:
        chain(
            *_first_tasks(config, fine_tunes),
            *_prepare_and_deliver(),
            *_import(waits, pool),
            *_evaluate(config, waits),
            *_promote(config),
            *_maintain(),
        )
    if schedule:
        dag.max_active_runs = 1
    return set_retry_policy(dag, ImportRetryPolicy())
