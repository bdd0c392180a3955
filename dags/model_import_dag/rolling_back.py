"""The DAG that makes an earlier version of a model its champion again."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_versions import set_retry_policy
from include.config.names import MODEL_NAME_MAX_LENGTH, MODEL_NAME_PATTERN
from include.steps.results import PromotionResult
from model_import_dag.clients import clients_of_model
from model_import_dag.model_files import MODELS_FOLDER
from model_import_dag.notifications import notify_roll_back
from model_import_dag.params import validation_only
from model_import_dag.promotion_events import PROMOTIONS, announce
from model_import_dag.publishing import publish_after_roll_back
from model_import_dag.refusals import refuse_unknown_parameters
from model_import_dag.retries import ImportRetryPolicy
from model_import_dag.runs import run_name, who_triggered
from model_import_dag.skipping import skip
from model_import_dag.task_defaults import task_defaults

DOC = """
Approves an earlier version in the registry and withdraws the approval of the newer ones, so that applications which
look up the champion get the earlier one. What is withdrawn stays so: no later run approves that content again.
"""


def _params() -> dict[str, Param]:
    return {
        "model_name": Param(
            type="string",
            pattern=MODEL_NAME_PATTERN,
            maxLength=MODEL_NAME_MAX_LENGTH,
            description="The model, as its file names it.",
        ),
        "version": Param(
            None,
            type=["null", "integer"],
            **validation_only(minimum=1),
            description="The version that becomes the champion; empty: the approved one before the champion.",
        ),
        "reason": Param(
            type="string", minLength=1, maxLength=500, description="Why; kept in the registry with your name."
        ),
    }


@task
def roll_back(**context: Any) -> dict[str, Any]:
    """Make the version the champion."""
    from include.registry.rolling_back import roll_back as act

    params = context["params"]
    refuse_unknown_parameters(params, _params())
    return act(
        clients_of_model(params["model_name"], MODELS_FOLDER),
        params["model_name"],
        params["version"],
        by=who_triggered(context),
        why=params["reason"],
        request=run_name(context),
    )


@task(outlets=[PROMOTIONS], on_success_callback=notify_roll_back, trigger_rule="none_failed")
def announce_promotion(done: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Announce the model's new champion to other DAGs, by an event of its asset."""
    if not done["changed"]:
        skip(f"version {done['champion']} was the champion already")
    return announce(context["outlet_events"], PromotionResult.model_validate({**done, "version": done["champion"]}))


def build_roll_back_dag() -> DAG:
    """Return the DAG."""
    with DAG(
        "roll_back_model",
        description="Makes an earlier version of a model the champion again",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        params=_params(),
        tags=["bedrock", "model-import"],
        doc_md=DOC,
        default_args=task_defaults(),
    ) as dag:
        done = roll_back()
        done >> publish_after_roll_back() >> announce_promotion(done)  # type: ignore[arg-type]  # its return value
    return set_retry_policy(dag, ImportRetryPolicy())
