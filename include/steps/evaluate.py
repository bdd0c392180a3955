"""Evaluate an imported model once per model, data set and prompt settings, and store the results in S3."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from include.aws.clients import AwsClients
from include.aws.s3_uri import S3Uri
from include.config.suites import MAIN, Suite
from include.evaluation.build_report import MeasuredOn, as_markdown, build_report
from include.evaluation.dataset import Dataset, sample
from include.evaluation.invocation import ask_all
from include.evaluation.results import EvaluationReport, PromptSettings, RecordResult
from include.evaluation.scoring import outcomes_of, score_outcomes
from include.evaluation.storage import EvaluationPlace, read_records, read_report, store
from include.run.evaluation_set import prompt_settings, read_evaluation_set
from include.run.plan import ImportPlan
from include.service.pricing import ModelCost, expected_windows, model_cost, use_summary, used_windows
from include.steps.results import EvaluationResult

log = logging.getLogger(__name__)


class _Prepared(NamedTuple):
    """The records of a suite, and where and under which conditions their answers are kept."""

    suite: Suite
    dataset: Dataset
    place: EvaluationPlace
    measured_on: MeasuredOn


def measure_suites(plan: ImportPlan, model_arn: str, clients: AwsClients) -> EvaluationResult:
    """Evaluate the model on every suite, the main one first; its result holds the others.

    What they are expected to cost and to take is logged before the first question.
    """
    if len(plan.config.suites) > 1:
        cost = _cost(plan, model_arn, clients)
        for prepared in _unmeasured(plan, model_arn, clients):
            log.info("To do in suite %s: %s", prepared.suite.name, _outlook(cost, prepared))
    main, *others = [measure(plan, model_arn, clients, suite) for suite in plan.config.suites]
    return main.model_copy(update={"others": tuple(others)})


def measure(
    plan: ImportPlan, model_arn: str, clients: AwsClients, suite: Suite | None = None, beside: str = ""
) -> EvaluationResult:
    """Evaluate the model; records that were answered before are not asked again.

    Any imported model can be evaluated, also the champion: with the plan's prefix, data set and prompt settings.

    Args:
        plan: what is imported, and where its evaluations are kept.
        model_arn: the imported model.
        clients: S3 and Bedrock are asked.
        suite: one of the plan's suites; None stands for the main one.
        beside: a report of the same model: one of the suite that lies beside it is used again, if it is complete.
    """
    prepared = _prepare(plan, model_arn, clients, suite or plan.config.suites[0])
    for place in (prepared.place, *_places_beside(prepared.place, beside)):
        report = read_report(clients.s3, place.report_uri)
        if report is not None and _is_complete(report):
            log.info("This model was measured on this data set before: nothing is asked again")
            return _logged(report, place, prepared.suite)
    return _logged(_ask(plan, prepared, clients), prepared.place, prepared.suite)


def _logged(report: EvaluationReport, place: EvaluationPlace, suite: Suite) -> EvaluationResult:
    log.info("Evaluation of %s, suite %s:\n%s", report.model_arn, suite.name, as_markdown(report))
    return EvaluationResult.of(report, place.report_uri, suite.name)


def _places_beside(place: EvaluationPlace, report_uri: str) -> Iterator[EvaluationPlace]:
    """Yield the place that the same evaluation has among the evaluations of the version with this report."""
    if report_uri:
        there = S3Uri.parse(report_uri)
        yield EvaluationPlace(there.bucket, f"{there.key.rpartition('/')[0]}/{place.key.rpartition('/')[2]}")


def is_measured(plan: ImportPlan, model_arn: str, clients: AwsClients) -> bool:
    """Return whether ``measure_suites`` would find every answer, and ask the model nothing."""
    return not any(_unmeasured(plan, model_arn, clients))


def _unmeasured(plan: ImportPlan, model_arn: str, clients: AwsClients) -> Iterator[_Prepared]:
    for suite in plan.config.suites:
        prepared = _prepare(plan, model_arn, clients, suite)
        report = read_report(clients.s3, prepared.place.report_uri)
        if report is None or not _is_complete(report):
            yield prepared


def _outlook(cost: ModelCost, prepared: _Prepared) -> str:
    dataset, on = prepared.dataset, prepared.measured_on
    windows = expected_windows(cost, len(dataset.records), on.prompt.max_tokens, on.concurrency)
    return f"Asking {len(dataset.records)} records; expected at most {use_summary(cost, windows)}"


def _cost(plan: ImportPlan, model_arn: str, clients: AwsClients) -> ModelCost:
    model = clients.bedrock.get_imported_model(modelIdentifier=model_arn)
    return model_cost(model.get("customModelUnits"), plan.region_name)


def _is_complete(report: EvaluationReport) -> bool:
    return report.statuses["answered"] == report.records


def _prepare(plan: ImportPlan, model_arn: str, clients: AwsClients, suite: Suite) -> _Prepared:
    """Return the records to ask, and where and under which conditions their answers are kept."""
    account = plan.config.account
    whole = read_evaluation_set(suite.dataset, suite, account, clients.s3)
    dataset = sample(whole, suite.sample, suite.seed)
    prompt = prompt_settings(suite, dataset, account, clients.s3)
    return _Prepared(suite, dataset, *_measured_on(plan, model_arn, suite, dataset, prompt))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _measured_on(
    plan: ImportPlan, model_arn: str, settings: Suite, dataset: Dataset, prompt: PromptSettings
) -> tuple[EvaluationPlace, MeasuredOn]:
    conditions = _digest([[record.digest for record in dataset.records], prompt.model_dump()])
    key = f"{plan.evaluation_prefix}/{_digest([model_arn, dataset.digest, conditions, settings.seed])[:12]}"
    place = EvaluationPlace(plan.bucket, key)
    return place, MeasuredOn(
        model_arn=model_arn,
        dataset_uri=dataset.uri,
        dataset_digest=dataset.digest,
        dataset_records=dataset.file_records,
        seed=settings.seed,
        conditions_digest=conditions,
        prompt=prompt,
        concurrency=settings.concurrency,
        records_uri=place.records_uri,
    )


def _ask(plan: ImportPlan, prepared: _Prepared, clients: AwsClients) -> EvaluationReport:
    """Ask the questions without an answer, store the report and return it."""
    suite, dataset, place, measured_on = prepared
    cost = _cost(plan, measured_on.model_arn, clients)
    log.info("Suite %s: %s", suite.name, _outlook(cost, prepared))
    has_earlier = read_report(clients.s3, place.report_uri) is not None
    interview = ask_all(
        clients.bedrock_runtime,
        measured_on.model_arn,
        dataset.records,
        measured_on.prompt,
        answers_path=plan.workspace_file("answers.jsonl" if suite.name == MAIN else f"answers-{suite.name}.jsonl"),
        concurrency=measured_on.concurrency,
        known=outcomes_of(read_records(clients.s3, place.records_uri), dataset.records) if has_earlier else (),
    )
    results = tuple(score_outcomes(interview.outcomes, guarded=measured_on.prompt.guardrail_id is not None))
    spent = _spent(cost, results)
    log.info("Suite %s: asked %d records in %.1f s; used %s", suite.name, interview.asked, interview.seconds, spent)
    report = build_report(measured_on, results, interview.seconds, spent)
    store(clients.s3, place, report, results)
    return report


def _spent(cost: ModelCost, results: tuple[RecordResult, ...]) -> str:
    moments: list[datetime] = [result.answered_at for result in results if result.answered_at]
    return use_summary(cost, used_windows(moments, cost.window_minutes))
