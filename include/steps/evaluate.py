"""Evaluate an imported model once per model, data set and prompt settings, and store the results in S3."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeGuard

from include.aws.clients import AwsClients
from include.config.suites import Suite
from include.evaluation.build_report import MeasuredOn, as_markdown, build_report
from include.evaluation.dataset import Dataset, sample
from include.evaluation.results import EvaluationReport, PromptSettings, RecordResult
from include.evaluation.storage import EvaluationPlace, read_records, read_report, store
from include.evaluation.suite_metrics import SuiteMetrics, load_metrics, scored_with
from include.run.evaluation_set import prompt_settings, read_evaluation_set
from include.run.plan import ImportPlan
from include.steps.answers import Questions, cost_of, get_answers, kept_report, outlook, places_beside
from include.steps.results import EvaluationResult

log = logging.getLogger(__name__)

NO_METRICS = SuiteMetrics()


class _Prepared(NamedTuple):
    """The questions of a suite, its metrics, and where their scores are kept: with the answers without any metric.

    ``further`` are the further questions of each metric that asks some.
    """

    suite: Suite
    questions: Questions
    further: tuple[Questions, ...]
    metrics: SuiteMetrics
    place: EvaluationPlace


def measure_suites(plan: ImportPlan, model_arn: str, clients: AwsClients) -> EvaluationResult:
    """Evaluate the model on every suite, the main one first; its result holds the others.

    What they are expected to cost and to take is logged before the first question.
    """
    if len(plan.config.suites) > 1:
        cost = cost_of(plan, model_arn, clients)
        for questions in _unanswered(plan, model_arn, clients):
            log.info("To do in suite %s: %s", questions.suite, outlook(cost, questions))
    main, *others = [measure(plan, model_arn, clients, suite) for suite in plan.config.suites]
    return main.model_copy(update={"others": tuple(others)})


def measure(
    plan: ImportPlan, model_arn: str, clients: AwsClients, suite: Suite | None = None, beside: str = ""
) -> EvaluationResult:
    """Evaluate the model; records that were answered before are not asked again.

    Any imported model can be evaluated, also the champion: with the plan's prefix, data set and prompt settings. What
    was answered before the suite named other metrics is scored again, and not asked again.

    Args:
        plan: what is imported, and where its evaluations are kept.
        model_arn: the imported model.
        clients: S3 and Bedrock are asked.
        suite: one of the plan's suites; None stands for the main one.
        beside: a report of the same model: its answers, and those of the suite that are kept beside it, are used again.

    Raises:
        MetricNotAllowedError, TeamFunctionError: a metric of the team's own cannot be loaded.
        MetricFailedError, MetricValueError: a metric cannot score an answer.
    """
    prepared = _prepare(plan, model_arn, clients, suite or plan.config.suites[0])
    for place in (prepared.place, *places_beside(prepared.place, beside)):
        report = read_report(clients.s3, place.report_uri)
        if _is_whole(report, prepared.suite):
            log.info("This model was measured on this data set before: nothing is asked again")
            return _logged(report, place.report_uri, prepared.suite)
    (answers, uri), *further = [
        get_answers(plan, questions, clients, beside) for questions in (prepared.questions, *prepared.further)
    ]
    if prepared.metrics.digest:
        answers = _score(prepared, answers, [report for report, _ in further], clients)
        uri = prepared.place.report_uri
    return _logged(answers, uri, prepared.suite)


def _is_whole(report: EvaluationReport | None, suite: Suite) -> TypeGuard[EvaluationReport]:
    """Return whether a stored report has an answer to every question, and every score that the suite needs."""
    return report is not None and report.is_complete and not report.missing_scores(suite.needed_metrics)


def stored_main_report(plan: ImportPlan, model_arn: str, clients: AwsClients) -> EvaluationReport | None:
    """Return the main suite's stored evaluation of a model that has answered every question; None without one."""
    report = read_report(clients.s3, _prepare(plan, model_arn, clients, plan.config.suites[0]).place.report_uri)
    return report if report is not None and report.is_complete else None


def _score(
    prepared: _Prepared, answers: EvaluationReport, further: Sequence[EvaluationReport], clients: AwsClients
) -> EvaluationReport:
    """Score stored answers with the suite's metrics, store the report and return it."""
    metrics, place = prepared.metrics, prepared.place
    results = _scored(prepared.questions, answers, metrics, clients)
    for (label, metric), questions, report in zip(metrics.further, prepared.further, further, strict=True):
        used = metrics if metric.RESCORED else NO_METRICS
        results = metric.with_scores(label, results, _scored(questions, report, used, clients))
    measured_on = prepared.questions.measured_on._replace(records_uri=place.records_uri, metrics_digest=metrics.digest)
    costs = "; ".join(filter(None, (report.cost_summary for report in (answers, *further))))
    seconds = sum(report.seconds for report in (answers, *further))
    report = build_report(measured_on, results, seconds, costs).model_copy(
        update={
            "changed_questions": sum(one.records for one in further),
            "changed_unanswered": sum(one.records - one.statuses["answered"] for one in further),
        }
    )
    store(clients.s3, place, report, results)
    return report


def _scored(
    questions: Questions, answers: EvaluationReport, metrics: SuiteMetrics, clients: AwsClients
) -> tuple[RecordResult, ...]:
    stored = tuple(read_records(clients.s3, answers.records_uri))
    return scored_with(metrics, stored, questions.dataset.records)


def _logged(report: EvaluationReport, report_uri: str, suite: Suite) -> EvaluationResult:
    log.info("Evaluation of %s, suite %s:\n%s", report.model_arn, suite.name, as_markdown(report))
    return EvaluationResult.of(report, report_uri, suite.name)


def is_measured(plan: ImportPlan, model_arn: str, clients: AwsClients) -> bool:
    """Return whether ``measure_suites`` would find every answer, and ask the model nothing."""
    return not any(_unanswered(plan, model_arn, clients))


def stored_evaluation(plan: ImportPlan, model_arn: str, clients: AwsClients) -> EvaluationResult | None:
    """Return what ``measure_suites`` would return if every suite's report is stored, else None."""
    found = []
    for suite in plan.config.suites:
        place = _prepare(plan, model_arn, clients, suite).place
        report = read_report(clients.s3, place.report_uri)
        if not _is_whole(report, suite):
            return None
        found.append(EvaluationResult.of(report, place.report_uri, suite.name))
    main, *others = found
    return main.model_copy(update={"others": tuple(others)})


def has_answers(plan: ImportPlan, model_arn: str, clients: AwsClients, suite: Suite, beside: str) -> bool:
    """Return whether ``measure`` would find every answer, and ask the model nothing."""
    return not any(_not_kept(_prepare(plan, model_arn, clients, suite), clients, beside))


def _unanswered(plan: ImportPlan, model_arn: str, clients: AwsClients) -> Iterator[Questions]:
    for suite in plan.config.suites:
        yield from _not_kept(_prepare(plan, model_arn, clients, suite), clients)


def _not_kept(prepared: _Prepared, clients: AwsClients, beside: str = "") -> Iterator[Questions]:
    for questions in (prepared.questions, *prepared.further):
        if kept_report(questions, clients, beside) is None:
            yield questions


def _prepare(plan: ImportPlan, model_arn: str, clients: AwsClients, suite: Suite) -> _Prepared:
    """Return the records to ask, and where and under which conditions their answers and scores are kept."""
    account = plan.config.account
    whole = read_evaluation_set(suite.dataset, suite, account, clients.s3)
    dataset = sample(whole, suite.sample, suite.seed)
    metrics = load_metrics(suite.metrics, account.allowed_metric_packages, dataset.records)
    prompt = prompt_settings(suite, dataset, account, clients.s3)
    questions = _questions(plan, model_arn, suite, dataset, prompt)
    further = tuple(
        _questions(plan, model_arn, suite, metric.dataset(dataset, suite.seed), metric.prompt(prompt))
        for _, metric in metrics.further
    )
    place = questions.place
    if metrics.digest:
        place = place._replace(key=f"{place.key}-{metrics.digest[:12]}")
    return _Prepared(suite, questions, further, metrics, place)


def json_digest(value: object) -> str:
    """Return 64 hexadecimal digits that identify what can be written as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _questions(plan: ImportPlan, model_arn: str, suite: Suite, dataset: Dataset, prompt: PromptSettings) -> Questions:
    conditions = json_digest([[record.digest for record in dataset.records], prompt.identity])
    key = f"{plan.evaluation_prefix}/{json_digest([model_arn, dataset.digest, conditions, suite.seed])[:12]}"
    place = EvaluationPlace(plan.bucket, key)
    measured_on = MeasuredOn(
        model_arn=model_arn,
        dataset_uri=dataset.uri,
        dataset_digest=dataset.digest,
        dataset_records=dataset.file_records,
        seed=suite.seed,
        conditions_digest=conditions,
        prompt=prompt,
        concurrency=suite.concurrency,
        records_uri=place.records_uri,
    )
    return Questions(suite.name, dataset, place, measured_on)
