"""Compare a measured model with the champion on the same records, and decide on its promotion."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from include.aws.clients import AwsClients
from include.config.suites import Suite
from include.evaluation.comparison import Comparison, compare
from include.evaluation.results import EvaluationReport
from include.evaluation.storage import comparison_uri, read_comparison, read_report, store_comparison
from include.promotion.decision import ChampionMeasured, PassedOver, decide_promotion
from include.promotion.suite_findings import SuiteMeasured
from include.registry.champions import ChampionFound, find_champion
from include.registry.imported import is_imported
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import ModelVersion
from include.run.plan import ImportPlan
from include.steps.evaluate import has_answers, measure
from include.steps.evaluation_job_results import EvaluationJobResult
from include.steps.judge import judge_answers, stored_judge_reports
from include.steps.results import ChampionResult, DecisionResult, EvaluationResult, JudgeResult, SuiteReports
from include.steps.stored_evaluations import records_of, stored_report

log = logging.getLogger(__name__)

NO_URIS: Mapping[str, str] = MappingProxyType({})
NOT_JUDGED = JudgeResult(summary="")
NO_EVALUATION_JOB = EvaluationJobResult()


def unanswered(report: EvaluationReport) -> int:
    """Return the number of records without an answer; each scores 0."""
    return report.records - report.statuses["answered"]


def measure_champion(plan: ImportPlan, candidate: EvaluationResult, clients: AwsClients) -> ChampionResult:
    """Return the champion's version number and the report of its answers to the candidate's questions.

    Its earlier answers are reused if questions and prompt settings are the same, and scored again if the metrics are
    others; otherwise its imported model is asked now. ``report_uri`` is empty when that model was deleted at this
    moment, and ``summary`` says what was done. Without a champion to compare with, ``champion`` is None. The suites
    after the main one are treated in the same way.
    """
    today = find_champion(plan.config.model_name, clients.sagemaker, clients.bedrock)
    champion, passed_over = today.champion, _passed_over(today, plan.fingerprint)
    if champion is None:
        return ChampionResult(champion=None, summary="there is no champion yet", passed_over=passed_over)

    def found(summary: str, report_uri: str = "", other_uris: Mapping[str, str] = NO_URIS) -> ChampionResult:
        return ChampionResult(
            champion=champion.number,
            summary=summary,
            fingerprint=champion.fingerprint,
            landed_at=champion.landed_at,
            report_uri=report_uri,
            other_uris=other_uris,
            passed_over=passed_over,
        )

    if champion.fingerprint == plan.fingerprint:
        return found(f"this content is the champion already, version {champion.number}")
    is_there = is_imported(champion, clients.bedrock)
    others = _others_of_champion(plan, champion, clients, is_there=is_there)
    earlier = read_report(clients.s3, champion.report_uri) if champion.report_uri else None
    same = earlier and earlier.conditions_digest == candidate.conditions_digest and not unanswered(earlier)
    scored = earlier and not earlier.missing_scores(plan.config.suites[0].needed_metrics)
    if earlier and same and scored and earlier.metrics_digest == candidate.metrics_digest:
        return found(f"version {champion.number} has answered the same questions before", champion.report_uri, others)
    known = _has_answered(plan, champion, clients, plan.config.suites[0])
    if not (is_there or known):
        return found(f"the imported model of version {champion.number} is gone: it cannot be asked")
    asked = measure(plan, champion.imported_model_arn, clients, beside=champion.report_uri)
    summary = (
        f"version {champion.number} has answered the same questions before: its answers were scored again"
        if known
        else f"version {champion.number} was asked the same questions: it had answered others, or in another way"
    )
    return found(summary, asked.report_uri, others)


def _has_answered(plan: ImportPlan, champion: ModelVersion, clients: AwsClients, suite: Suite) -> bool:
    return has_answers(plan, champion.imported_model_arn, clients, suite, champion.report_uri)


def _others_of_champion(
    plan: ImportPlan, champion: ModelVersion, clients: AwsClients, *, is_there: bool
) -> dict[str, str]:
    """Return the reports of the champion's answers in the suites after the main one, by the name of the suite."""
    return {
        suite.name: measure(plan, champion.imported_model_arn, clients, suite, beside=champion.report_uri).report_uri
        for suite in plan.config.suites[1:]
        if is_there or _has_answered(plan, champion, clients, suite)
    }


def _passed_over(today: ChampionFound, fingerprint: str) -> PassedOver:
    """Return the numbers of what was passed over; a gone version of this run's own content has been imported again."""
    return PassedOver(
        gone=tuple(version.number for version in today.gone if version.fingerprint != fingerprint),
        foreign=tuple(version.number for version in today.foreign),
    )


def compare_with_champion(
    plan: ImportPlan, candidate_uri: str, champion_uri: str, s3: Any, suite: Suite | None = None
) -> Comparison:
    """Return the differences between the two models' answers to the same questions; by default of the main suite."""
    candidate, champion = stored_report(s3, candidate_uri), stored_report(s3, champion_uri)
    return compare(
        records_of(s3, candidate),
        records_of(s3, champion),
        (suite or plan.config.suites[0]).compared_metrics,
        margin=plan.config.comparison.margin,
        category_margin=plan.config.comparison.category_margin,
        seed=candidate.seed,
    )


def stored_comparison(plan: ImportPlan, candidate_uri: str, decision: DecisionResult, s3: Any) -> Comparison | None:
    """Return the comparison in the main suite that the decision is based on; None when there was none.

    It is read from S3, where ``decide`` stored it, and made again only when it is missing there.
    """
    champion_uri = decision.champion_report_uri
    if not champion_uri:
        return None
    stored = read_comparison(s3, decision.comparison_uri) if decision.comparison_uri else None
    return stored or compare_with_champion(plan, candidate_uri, champion_uri, s3)


def _compare_and_store(
    plan: ImportPlan, suite: Suite, candidate_uri: str, champion_uri: str, s3: Any
) -> tuple[Comparison | None, str]:
    """Return the comparison and where it is stored; None and an empty text if the champion could not be asked."""
    if not champion_uri:
        return None, ""
    comparison = compare_with_champion(plan, candidate_uri, champion_uri, s3, suite)
    uri = comparison_uri(candidate_uri, champion_uri)
    store_comparison(s3, uri, comparison)
    return comparison, uri


def _champion_reports(plan: ImportPlan, measured: ChampionResult, s3: Any) -> dict[str, EvaluationReport]:
    """Return the reports of the champion's answers, by the name of the suite; none of a suite without answers."""
    uris = {plan.config.suites[0].name: measured.report_uri, **measured.other_uris}
    return {name: stored_report(s3, uri) for name, uri in uris.items() if uri}


def _other_suites(
    plan: ImportPlan,
    candidate: EvaluationResult,
    measured: ChampionResult,
    reports: Mapping[str, EvaluationReport],
    s3: Any,
) -> Iterator[SuiteMeasured]:
    for suite in plan.config.suites[1:]:
        uri, champion_uri = candidate.other_uris[suite.name], measured.other_uris.get(suite.name, "")
        comparison, _ = _compare_and_store(plan, suite, uri, champion_uri, s3)
        champion = reports.get(suite.name)
        yield SuiteMeasured(
            suite=suite,
            report=stored_report(s3, uri),
            comparison=comparison,
            unanswered=unanswered(champion) if champion else 0,
            why_not="" if champion else f"suite {suite.name!r} was not measured, {measured.summary}",
        )


def _champion(
    measured: ChampionResult, report: EvaluationReport | None, comparison: Comparison | None
) -> ChampionMeasured | None:
    if measured.champion is None:
        return None
    return ChampionMeasured(
        number=measured.champion,
        fingerprint=measured.fingerprint,
        landed_at=measured.landed_at,
        comparison=comparison,
        unanswered=unanswered(report) if report else 0,
        why_not="" if report else measured.summary,
    )


def decide(
    plan: ImportPlan,
    candidate: EvaluationResult,
    measured: ChampionResult,
    clients: AwsClients,
    judged: JudgeResult = NOT_JUDGED,
    evaluation_job: EvaluationJobResult = NO_EVALUATION_JOB,
) -> DecisionResult:
    """Return the approval status for the measured model, the reasons, and the champion it was compared with.

    The comparisons are stored in S3, next to the candidate's records; a later decision overwrites them.

    Args:
        plan: what is imported, and the rules of its promotion.
        candidate: the candidate's evaluation.
        measured: what ``measure_champion`` returned.
        clients: S3 and SageMaker are asked.
        judged: what ``judge_answers`` returned, if there is a judge.
        evaluation_job: what ``read_evaluation`` returned, if Bedrock scores the answers.
    """
    s3, suite = clients.s3, plan.config.suites[0]
    comparison, uri = _compare_and_store(plan, suite, candidate.report_uri, measured.report_uri, s3)
    reports = _champion_reports(plan, measured, s3)
    scores = {name: report.scores for name, report in reports.items()}
    decision = decide_promotion(
        plan.config,
        plan.fingerprint,
        stored_report(s3, candidate.report_uri),
        _champion(measured, reports.get(suite.name), comparison),
        SageMakerRegistry(clients.sagemaker).find(plan.config.model_name, plan.fingerprint),
        plan.landed_at,
        measured.passed_over,
        tuple(_other_suites(plan, candidate, measured, reports, s3)),
        stored_judge_reports(judged.suites, s3),
        tuple(filter(None, (judged.problem, evaluation_job.summary, evaluation_job.problem))),
    )
    log.info("%s: %s", decision.status, "; ".join(decision.reasons))
    return DecisionResult(
        status=decision.status,
        findings=decision.findings,
        champion=measured.champion,
        champion_report_uri=measured.report_uri,
        champion_scores=scores.get(suite.name, {}),
        comparison_uri=uri,
        suites=_suite_reports(plan, candidate, measured, scores),
        judged=judged.suites,
        evaluation_job=evaluation_job,
    )


def _suite_reports(
    plan: ImportPlan,
    candidate: EvaluationResult,
    measured: ChampionResult,
    scores: Mapping[str, Mapping[str, float]],
) -> tuple[SuiteReports, ...]:
    return tuple(
        SuiteReports(
            suite=suite.name,
            effect=suite.effect,
            report_uri=candidate.other_uris[suite.name],
            champion_report_uri=measured.other_uris.get(suite.name, ""),
            champion_scores=scores.get(suite.name, {}),
        )
        for suite in plan.config.suites[1:]
    )


def decide_again(
    plan: ImportPlan,
    candidate: EvaluationResult,
    clients: AwsClients,
    evaluation_job: EvaluationJobResult = NO_EVALUATION_JOB,
) -> DecisionResult:
    """Return what ``decide`` returns, against today's champion; that is asked if it has not answered the questions.

    The judge, if there is one, compares with that champion too. The Bedrock evaluation job has scored the candidate's
    answers alone, so its scores stay.
    """
    measured = measure_champion(plan, candidate, clients)
    log.info("%s", measured.summary)
    judged = judge_answers(plan, candidate, measured, clients, last_try=True)
    return decide(plan, candidate, measured, clients, judged, evaluation_job)
