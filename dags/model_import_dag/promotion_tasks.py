"""The tasks of an import DAG from the champion's answers to the announcement of a promotion."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowSkipException

from include.run.plan import ImportPlan
from model_import_dag.clients import client
from model_import_dag.promotion_events import PROMOTIONS, announce
from model_import_dag.runs import decision_of, link_to_registry, link_to_report, plan_of, run_url
from model_import_dag.timeouts import LONG

log = logging.getLogger(__name__)


def _clients(plan: ImportPlan) -> Any:
    from include.steps.decide import Clients

    return Clients(*(client(plan, name) for name in ("s3", "sagemaker", "bedrock", "bedrock-runtime")))


def _results(ti: Any, *task_ids: str) -> dict[str, Any]:
    return {task_id: ti.xcom_pull(task_ids=task_id) for task_id in task_ids}


def _decided(ti: Any, *task_ids: str) -> dict[str, Any]:
    """Return what the tasks returned, and the decision with which the version was registered."""
    return {**_results(ti, "register_version", *task_ids), "decide_promotion": decision_of(ti)}


def _registered(ti: Any) -> dict[str, Any]:
    """Return the version as the run left it: with a person's answer, if one was asked."""
    return {**ti.xcom_pull(task_ids="register_version"), **(ti.xcom_pull(task_ids="record_answer") or {})}


@task(execution_timeout=LONG)
def evaluate_champion(**context: Any) -> dict[str, Any]:
    """Find the champion's answers to the same questions; ask its imported model when it has not answered them."""
    from include.steps.decide import measure_champion

    plan = plan_of(context)
    report_uri = context["ti"].xcom_pull(task_ids="evaluate_model")["report_uri"]
    found = measure_champion(plan, report_uri, _clients(plan))
    log.info("%s", found["summary"])
    return found


@task
def decide_promotion(**context: Any) -> dict[str, Any]:
    """Decide, from the scores and the comparison with the champion, which approval status the version gets."""
    from include.steps.decide import decide

    plan, done = plan_of(context), _results(context["ti"], "evaluate_model", "evaluate_champion")
    return decide(plan, done["evaluate_model"]["report_uri"], done["evaluate_champion"], _clients(plan))


@task(execution_timeout=LONG)
def register_version(**context: Any) -> dict[str, Any]:
    """Record the imported model as a version in the registry; decide again if the champion has changed."""
    from include.steps.register import register

    plan, ti = plan_of(context), context["ti"]
    link_to_registry(context, plan)
    done = _results(ti, "wait_for_import", "warm_up", "evaluate_model", "decide_promotion")
    return register(plan, done["decide_promotion"], done, run_url(context), _clients(plan))


@task
def write_report(**context: Any) -> dict[str, Any]:
    """Write the report of the version, one HTML page, beside its evaluations."""
    from include.steps.report import write_report as write

    plan, ti = plan_of(context), context["ti"]
    done = _decided(ti, "evaluate_champion")
    link_to_report(context, plan)
    return write(plan, done, run_url(context), client(plan, "s3"))


@task
def record_answer(**context: Any) -> dict[str, Any]:
    """Give the version the status that was chosen for it, and write it into the report.

    An approval fails when the imported model was deleted or the champion has changed since it was requested.
    """
    from include.steps.register import Answer
    from include.steps.register import record_answer as record
    from include.steps.report import write_report as write

    plan, ti = plan_of(context), context["ti"]
    done = _decided(ti, "evaluate_champion", "approve_promotion")
    answer = Answer.of(done["approve_promotion"])
    answered = record(plan, answer, done["register_version"], done["decide_promotion"], _clients(plan))
    link_to_report(context, plan)
    write(plan, {**done, "record_answer": answered}, run_url(context), client(plan, "s3"))
    return answered


@task(trigger_rule="none_failed", outlets=[PROMOTIONS])
def announce_promotion(**context: Any) -> dict[str, Any]:
    """Announce the model's new champion to other DAGs, by an event of its asset."""
    plan, registered = plan_of(context), _registered(context["ti"])
    if not registered["promoted"]:
        raise AirflowSkipException(f"version {registered['version']} is not a new champion: {registered['status']}")
    champion = {name: registered[name] for name in ("version", "imported_model_arn")}
    return announce(context["outlet_events"], plan.config.model_name, {**champion, "fingerprint": plan.fingerprint})
