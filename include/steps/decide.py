"""Compare a measured model with the champion on the same records, and decide on its promotion."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from include.errors import ModelImportError
from include.evaluation.comparison import Comparison, compare
from include.evaluation.results import EvaluationReport, RecordResult
from include.evaluation.storage import read_records, read_report
from include.promotion.decision import ChampionMeasured, compared_metrics, decide_promotion
from include.registry.imported import is_imported
from include.registry.sagemaker import SageMakerRegistry
from include.run.plan import ImportPlan
from include.steps.evaluate import EvaluationClients, measure

log = logging.getLogger(__name__)


class EvaluationReportMissingError(ModelImportError):
    """The report that an earlier task wrote is gone."""

    def __init__(self, uri: str) -> None:
        super().__init__("There is no evaluation report", uri, remedy="Clear the run from evaluate_model on.")


class Clients(NamedTuple):
    """The boto3 clients of the decision."""

    s3: Any
    sagemaker: Any
    bedrock: Any
    runtime: Any


def stored_report(s3: Any, uri: str) -> EvaluationReport:
    """Return the evaluation report at ``uri``; raises EvaluationReportMissingError when it is gone."""
    report = read_report(s3, uri)
    if report is None:
        raise EvaluationReportMissingError(uri)
    return report


def unanswered(report: EvaluationReport) -> int:
    """Return how many records have no answer; each scores 0."""
    return report.records - report.statuses["answered"]


def measure_champion(plan: ImportPlan, candidate_report_uri: str, clients: Clients) -> dict[str, Any]:
    """Return the champion's version number and the report of its answers to the questions the candidate was asked.

    Its earlier answers are taken when it was asked the same questions in the same way; otherwise its imported model is
    asked now. ``report_uri`` is empty when that model is gone, and ``summary`` says what was done. Without a champion
    to compare with, ``champion`` is None.
    """
    champion = SageMakerRegistry(clients.sagemaker).champion(plan.config.model_name)
    if champion is None:
        return {"champion": None, "summary": "there is no champion yet"}
    landed_at = champion.landed_at.isoformat() if champion.landed_at else None
    found = {"champion": champion.number, "fingerprint": champion.fingerprint, "landed_at": landed_at, "report_uri": ""}
    if champion.fingerprint == plan.fingerprint:
        return {**found, "summary": f"this content is the champion already, version {champion.number}"}
    candidate = stored_report(clients.s3, candidate_report_uri)
    earlier = read_report(clients.s3, champion.report_uri) if champion.report_uri else None
    if earlier and earlier.conditions_digest == candidate.conditions_digest and not unanswered(earlier):
        summary = f"version {champion.number} has answered the same questions before"
        return {**found, "report_uri": champion.report_uri, "summary": summary}
    if not is_imported(champion, clients.bedrock):
        return {**found, "summary": f"the imported model of version {champion.number} is gone: it cannot be asked"}
    evaluation_clients = EvaluationClients(clients.runtime, clients.s3, clients.bedrock)
    asked = measure(plan, champion.imported_model_arn, evaluation_clients)
    summary = f"version {champion.number} was asked the same questions: it had answered others, or in another way"
    return {**found, "report_uri": asked["report_uri"], "summary": summary}


def records_of(s3: Any, report: EvaluationReport) -> list[RecordResult]:
    """Return the results of the report's records."""
    return list(read_records(s3, report.records_uri))


def compare_with_champion(plan: ImportPlan, candidate_uri: str, champion_uri: str, s3: Any) -> Comparison:
    """Return the differences between the two models' answers to the same questions."""
    candidate, champion = stored_report(s3, candidate_uri), stored_report(s3, champion_uri)
    return compare(
        records_of(s3, candidate),
        records_of(s3, champion),
        compared_metrics(plan.config),
        margin=plan.config.comparison.margin,
        seed=candidate.seed,
    )


def _champion(plan: ImportPlan, candidate_uri: str, measured: Mapping[str, Any], s3: Any) -> ChampionMeasured | None:
    if measured["champion"] is None:
        return None
    uri = measured["report_uri"]
    return ChampionMeasured(
        number=measured["champion"],
        fingerprint=measured["fingerprint"],
        landed_at=measured["landed_at"],
        comparison=compare_with_champion(plan, candidate_uri, uri, s3) if uri else None,
        unanswered=unanswered(stored_report(s3, uri)) if uri else 0,
        why_not="" if uri else measured["summary"],
    )


def decide(plan: ImportPlan, candidate_uri: str, measured: Mapping[str, Any], clients: Clients) -> dict[str, Any]:
    """Return the approval status for the measured model, the reasons, and the champion it was compared with.

    Args:
        plan: what is imported, and the rules of its promotion.
        candidate_uri: the report of the candidate's evaluation.
        measured: what ``measure_champion`` returned.
        clients: S3 and SageMaker are asked.
    """
    decision = decide_promotion(
        plan.config,
        plan.fingerprint,
        stored_report(clients.s3, candidate_uri),
        _champion(plan, candidate_uri, measured, clients.s3),
        SageMakerRegistry(clients.sagemaker).find(plan.config.model_name, plan.fingerprint),
        plan.landed_at,
    )
    log.info("%s: %s", decision.status, "; ".join(decision.reasons))
    return {
        **decision.model_dump(mode="json"),
        "reasons": list(decision.reasons),
        "champion": measured["champion"],
        "champion_report_uri": measured.get("report_uri", ""),
    }


def decide_again(plan: ImportPlan, candidate_uri: str, clients: Clients) -> dict[str, Any]:
    """Return what ``decide`` returns, against today's champion; that is asked if it has not answered the questions."""
    measured = measure_champion(plan, candidate_uri, clients)
    log.info("%s", measured["summary"])
    return decide(plan, candidate_uri, measured, clients)
