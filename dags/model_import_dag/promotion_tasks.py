"""The tasks of an import DAG from the champion's answers to the announcement of a promotion."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import task

from include.steps.evaluation_job_results import EvaluationJobResult
from include.steps.results import (
    Answer,
    CanaryResult,
    ChampionResult,
    DecisionResult,
    EvaluationResult,
    ImportResult,
    JudgeResult,
    PromotionResult,
    WarmUpResult,
)
from model_import_dag.bedrock_evaluation import READ
from model_import_dag.canary import TASK as CANARY
from model_import_dag.clients import clients_of
from model_import_dag.promotion_events import PROMOTIONS, announce
from model_import_dag.runs import (
    decision_of,
    final_version,
    is_last_try,
    link_to_registry,
    link_to_report,
    plan_of,
    registration_of,
    require_owner,
    result_if_any,
    result_of,
    run_url,
)
from model_import_dag.skipping import skip
from model_import_dag.timeouts import LONG

log = logging.getLogger(__name__)


def _evaluation(ti: Any) -> EvaluationResult:
    return result_of(ti, "evaluate_model", EvaluationResult)


@task(execution_timeout=LONG)
def evaluate_champion(**context: Any) -> dict[str, Any]:
    """Find the answers of the champion, and of the baseline, to the same questions; ask what they have not answered."""
    from include.steps.baseline import measure_baseline
    from include.steps.decide import measure_champion

    plan = plan_of(context)
    clients = clients_of(plan)
    found = measure_champion(plan, _evaluation(context["ti"]), clients)
    log.info("%s", found.summary)
    measure_baseline(plan, clients)
    return found.model_dump(mode="json")


@task(execution_timeout=LONG)
def judge_answers(**context: Any) -> dict[str, Any]:
    """Have the judge compare the answers with the champion's; skipped where there are none to compare with."""
    from include.steps.judge import judge_answers as judge

    plan, ti = plan_of(context), context["ti"]
    champion = result_of(ti, "evaluate_champion", ChampionResult)
    judged = judge(plan, _evaluation(ti), champion, clients_of(plan), last_try=is_last_try(ti))
    if not judged.suites and not judged.problem:
        skip(judged.summary)
    log.info("%s", judged.summary)
    return judged.model_dump(mode="json")


@task(trigger_rule="none_failed")
def decide_promotion(**context: Any) -> dict[str, Any]:
    """Decide, from the scores and the comparison with the champion, which approval status the version gets."""
    from include.steps.decide import NO_EVALUATION_JOB, NOT_JUDGED, decide

    plan, ti = plan_of(context), context["ti"]
    champion = result_of(ti, "evaluate_champion", ChampionResult)
    judged = result_if_any(ti, "judge_answers", JudgeResult) or NOT_JUDGED
    scored = result_if_any(ti, READ, EvaluationJobResult) or NO_EVALUATION_JOB
    return decide(plan, _evaluation(ti), champion, clients_of(plan), judged, scored).model_dump(mode="json")


@task(execution_timeout=LONG)
def register_version(**context: Any) -> dict[str, Any]:
    """Record the imported model as a version in the registry; decide again if the champion has changed."""
    from include.steps.register import EvaluatedImport, register

    plan, ti = plan_of(context), context["ti"]
    clients = clients_of(plan)
    link_to_registry(context, plan)
    require_owner(context, clients.sagemaker)
    warm_up = result_if_any(ti, "warm_up", WarmUpResult) or WarmUpResult()  # skipped for a version that is registered
    model = EvaluatedImport(result_of(ti, "wait_for_import", ImportResult), warm_up, _evaluation(ti))
    decision = result_of(ti, "decide_promotion", DecisionResult)
    return register(plan, decision, model, run_url(context), clients).model_dump(mode="json")


@task
def write_report(**context: Any) -> dict[str, Any]:
    """Write the report of the version, one HTML page, beside its evaluations."""
    from include.steps.report import ReportedVersion
    from include.steps.report import write_report as write

    plan, ti = plan_of(context), context["ti"]
    version = ReportedVersion(registration_of(ti), decision_of(ti))
    link_to_report(context, plan)
    return write(plan, version, run_url(context), clients_of(plan)).model_dump(mode="json")


@task
def record_answer(**context: Any) -> dict[str, Any]:
    """Give the version the status that was chosen for it, and write it into the report.

    An approval fails when the imported model was deleted or the champion has changed since it was requested.
    """
    from include.steps.register import record_answer as record
    from include.steps.report import ReportedVersion
    from include.steps.report import write_report as write

    plan, ti = plan_of(context), context["ti"]
    clients = clients_of(plan)
    require_owner(context, clients.sagemaker)
    registered, decision = registration_of(ti), decision_of(ti)
    answered = record(plan, result_of(ti, "approve_promotion", Answer), registered, decision, clients)
    link_to_report(context, plan)
    write(plan, ReportedVersion(registered, decision, answered), run_url(context), clients)
    return answered.model_dump(mode="json")


@task(trigger_rule="none_failed", outlets=[PROMOTIONS])
def announce_promotion(**context: Any) -> dict[str, Any]:
    """Announce the model's new champion to other DAGs, by an event of its asset."""
    plan, final = plan_of(context), final_version(context["ti"])
    if not final.promoted:
        skip(f"version {final.version} is not a new champion: {final.status}")
    canary = result_if_any(context["ti"], CANARY, CanaryResult)
    if canary and not canary.finished:
        skip(f"version {final.version} is not the champion any more: another version ended its canary")
    promotion = PromotionResult(
        model_name=plan.config.model_name,
        version=final.version,
        imported_model_arn=final.imported_model_arn,
        fingerprint=plan.fingerprint,
    )
    return announce(context["outlet_events"], promotion)
