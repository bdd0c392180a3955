"""Get a model's answers to a set of questions: those kept in S3 by an earlier evaluation, or else by asking."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from include.aws.clients import AwsClients
from include.aws.s3_uri import S3Uri
from include.config.suites import MAIN
from include.evaluation.build_report import MeasuredOn, build_report
from include.evaluation.dataset import Dataset
from include.evaluation.invocation import ask_all
from include.evaluation.metrics import scores_of_every_evaluation
from include.evaluation.results import EvaluationReport, RecordResult
from include.evaluation.scoring import outcomes_of, score_outcomes
from include.evaluation.storage import EvaluationPlace, read_records, read_report, store
from include.run.plan import ImportPlan
from include.service.pricing import ModelCost, expected_windows, model_cost, use_summary, used_windows

log = logging.getLogger(__name__)


class Questions(NamedTuple):
    """The records that a suite asks, and where and under which conditions the answers are kept.

    The answers are kept with the scores that every evaluation has, whatever metrics the suite names: its place does
    not depend on them.
    """

    suite: str
    dataset: Dataset
    place: EvaluationPlace
    measured_on: MeasuredOn


def suite_log(plan: ImportPlan, kind: str, suite: str) -> Path:
    """Return the file in which a killed run's replies about a suite are found again."""
    return plan.workspace_file(f"{kind}.jsonl" if suite == MAIN else f"{kind}-{suite}.jsonl")


def places_beside(place: EvaluationPlace, report_uri: str) -> Iterator[EvaluationPlace]:
    """Yield the place that the same evaluation has among the evaluations of the version with this report."""
    if report_uri:
        there = S3Uri.parse(report_uri)
        yield EvaluationPlace(there.bucket, f"{there.key.rpartition('/')[0]}/{place.key.rpartition('/')[2]}")


def kept_report(questions: Questions, clients: AwsClients, beside: str = "") -> tuple[EvaluationReport, str] | None:
    """Return the report, with its URI, of answers to all of the questions; None if they have to be asked.

    Args:
        questions: what is asked, under which conditions.
        clients: S3 is asked.
        beside: a report of the same model; its own answers count, and those that are kept beside it.
    """
    places = (questions.place, *places_beside(questions.place, beside))
    for uri in filter(None, (*(place.report_uri for place in places), beside)):
        report = read_report(clients.s3, uri)
        same = report is not None and report.conditions_digest == questions.measured_on.conditions_digest
        if report is not None and same and report.is_complete:
            return report, uri
    return None


def get_answers(
    plan: ImportPlan, questions: Questions, clients: AwsClients, beside: str = ""
) -> tuple[EvaluationReport, str]:
    """Return the report of the answers to all of the questions, with its URI; only what was not answered is asked.

    Answers that were stored before every evaluation had today's scores are scored again.
    """
    kept = kept_report(questions, clients, beside)
    if kept is None:
        return ask(plan, questions, clients), questions.place.report_uri
    report, _ = kept
    guarded = questions.measured_on.prompt.guardrail_id is not None
    if not (missing := report.missing_scores(scores_of_every_evaluation(guarded=guarded))):
        return kept
    log.info("Suite %s: the stored answers are scored again: %s is new", questions.suite, ", ".join(missing))
    answered = tuple(outcomes_of(read_records(clients.s3, report.records_uri), questions.dataset.records))
    results = tuple(score_outcomes(answered, guarded=guarded))
    again = build_report(questions.measured_on, results, report.seconds, report.cost_summary)
    store(clients.s3, questions.place, again, results)
    return again, questions.place.report_uri


def outlook(cost: ModelCost, questions: Questions) -> str:
    """Return how many records are to be asked, and what that is expected to cost at most."""
    dataset, on = questions.dataset, questions.measured_on
    windows = expected_windows(cost, len(dataset.records), on.prompt.max_tokens, on.concurrency)
    return f"Asking {len(dataset.records)} records; expected at most {use_summary(cost, windows)}"


def cost_of(plan: ImportPlan, model_arn: str, clients: AwsClients) -> ModelCost:
    """Return what a copy of the imported model costs."""
    model = clients.bedrock.get_imported_model(modelIdentifier=model_arn)
    return model_cost(model.get("customModelUnits"), plan.region_name)


def ask(plan: ImportPlan, questions: Questions, clients: AwsClients) -> EvaluationReport:
    """Ask the questions without an answer, store the report and return it."""
    suite, dataset, place, measured_on = questions
    cost = cost_of(plan, measured_on.model_arn, clients)
    log.info("Suite %s: %s", suite, outlook(cost, questions))
    has_earlier = read_report(clients.s3, place.report_uri) is not None
    interview = ask_all(
        clients.bedrock_runtime,
        measured_on.model_arn,
        dataset.records,
        measured_on.prompt,
        answers_path=suite_log(plan, "answers", suite),
        concurrency=measured_on.concurrency,
        known=outcomes_of(read_records(clients.s3, place.records_uri), dataset.records) if has_earlier else (),
    )
    results = tuple(score_outcomes(interview.outcomes, guarded=measured_on.prompt.guardrail_id is not None))
    spent = _spent(cost, results)
    log.info("Suite %s: asked %d records in %.1f s; used %s", suite, interview.asked, interview.seconds, spent)
    report = build_report(measured_on, results, interview.seconds, spent)
    store(clients.s3, place, report, results)
    return report


def _spent(cost: ModelCost, results: tuple[RecordResult, ...]) -> str:
    moments: list[datetime] = [result.answered_at for result in results if result.answered_at]
    return use_summary(cost, used_windows(moments, cost.window_minutes))
