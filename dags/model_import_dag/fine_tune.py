"""Build the DAG that trains a model's adapter from its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import DAG, Asset, chain

from airflow_versions import set_retry_policy
from include.config.model import ModelConfig
from include.config.names import fine_tune_dag_id, fine_tunes_asset_name
from model_import_dag import fine_tune_tasks, tasks
from model_import_dag.model_files import MODEL_FILE
from model_import_dag.retries import ImportRetryPolicy
from model_import_dag.runs import PLAN
from model_import_dag.schedules import fine_tunes_asset, training_schedule
from model_import_dag.task_defaults import task_defaults
from model_import_dag.training_params import training_params
from sagemaker_training.operators import SageMakerCreateTrainingJobOperator
from sagemaker_training.sensors import SageMakerTrainingJobCompletedSensor

if TYPE_CHECKING:
    from airflow.sdk.definitions.xcom_arg import PlainXComArg, XComArg

#: SageMaker runs a training job for 28 days at most, and lets it wait for spot capacity as long.
LONGEST_WAIT = timedelta(days=29)
DOC = """
Trains a LoRA adapter of the model as an Amazon SageMaker training job, and hands it to the import.

The data is checked and turned into tokens, the job started, waited for and recorded, and an event of the asset
`fine-tunes-of-<model>` names the adapter: with `schedule: {fine_tune: true}` in the model's file it starts
`import_<model>`. The same data, base, settings and script are trained once: a job that runs or is complete is found
again. The next job after one that failed or was stopped resumes from the last checkpoint.
"""


@dataclass(frozen=True)
class TrainingWaits:
    """Polling intervals of a fine-tune, in seconds."""

    first_poll: float = 5
    longest_poll: float = 60
    longest_pause: float = 600
    retry_delay: float = 30


def _planned(entry: str) -> str:
    return f"{{{{ ti.xcom_pull(task_ids='{PLAN}')['{entry}'] }}}}"


def _job_setting(name: str) -> str:
    return f"{{{{ ti.xcom_pull(task_ids='{PLAN}')['config']['training']['job']['{name}'] }}}}"


def _aws() -> dict[str, Any]:
    return {"aws_conn_id": _planned("aws_conn_id"), "region_name": _planned("region_name")}


def _start_training(prepared: XComArg, waits: TrainingWaits) -> SageMakerCreateTrainingJobOperator:
    return SageMakerCreateTrainingJobOperator(
        task_id="start_training",
        doc_md="Start the training job, or adopt one of the same content; wait for quota and capacity.",
        execution_timeout=LONGEST_WAIT,
        config=cast("PlainXComArg", prepared)["request"],
        timeout=_planned("start_seconds"),
        waiter_delay=waits.longest_pause,
        first_delay=waits.first_poll,
        stop_on_kill=_job_setting("stop_on_kill"),
        deferrable=True,
        **_aws(),
    )


def _wait_for_training(waits: TrainingWaits) -> SageMakerTrainingJobCompletedSensor:
    return SageMakerTrainingJobCompletedSensor(
        task_id="wait_for_training",
        doc_md="Wait, deferred, until the training job has ended; the log shows losses and cost so far.",
        execution_timeout=LONGEST_WAIT,
        job_name="{{ ti.xcom_pull(task_ids='start_training')['job_name'] }}",
        dollars_per_hour=f"{{{{ ti.xcom_pull(task_ids='{PLAN}')['dollars_per_hour'] or '' }}}}",
        stop_on_kill=_job_setting("stop_on_kill"),
        least_timeout=_planned("wait_seconds"),
        timeout=1,
        poke_interval=waits.first_poll,
        exponential_backoff=True,
        max_wait=timedelta(seconds=waits.longest_poll),
        deferrable=True,
        **_aws(),
    )


def build_fine_tune_dag(config: ModelConfig, waits: TrainingWaits = TrainingWaits()) -> DAG:
    """Return the DAG that trains an adapter of one model, whose file has a section ``training``.

    A DAG that starts by itself has one run at a time.
    """
    fine_tunes = fine_tunes_asset(config) or Asset(fine_tunes_asset_name(config.model_name))
    schedule = training_schedule(config)
    with DAG(
        fine_tune_dag_id(config.model_name),
        description=f"Trains an adapter of {config.model_name}",
        schedule=schedule,
        catchup=False,
        params=training_params(config),
        user_defined_macros={MODEL_FILE: config},
        tags=["sagemaker", "fine-tune"],
        doc_md=DOC,
        default_args=task_defaults(waits.retry_delay),
    ) as dag:
        planned, prepared = fine_tune_tasks.plan_training(), fine_tune_tasks.prepare_data()
        chain(
            planned,
            prepared,
            _start_training(prepared, waits),
            _wait_for_training(waits),
            fine_tune_tasks.record_training(),
            fine_tune_tasks.hand_over.override(outlets=[fine_tunes])(fine_tunes),
            tasks.clear_workspace().as_teardown(),
        )
    if schedule:
        dag.max_active_runs = 1
    return set_retry_policy(dag, ImportRetryPolicy())
