"""Evaluate an imported model once per model, data set and prompt settings, and store the results in S3."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime

from include.aws.clients import AwsClients
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


def measure(plan: ImportPlan, model_arn: str, clients: AwsClients) -> EvaluationResult:
    """Evaluate the model; records that were answered before are not asked again.

    Any imported model can be evaluated, also the champion: with the plan's prefix, data set and prompt settings.
    """
    dataset, place, measured_on = _prepare(plan, model_arn, clients)
    report = read_report(clients.s3, place.report_uri)
    if report is not None and _is_complete(report):
        log.info("This model was measured on this data set before: nothing is asked again")
    else:
        report = _ask(plan, place, measured_on, dataset, clients, has_earlier=report is not None)
    log.info("Evaluation of %s:\n%s", model_arn, as_markdown(report))
    return EvaluationResult.of(report, place.report_uri)


def is_measured(plan: ImportPlan, model_arn: str, clients: AwsClients) -> bool:
    """Return whether ``measure`` would find every answer, and ask the model nothing."""
    report = read_report(clients.s3, _prepare(plan, model_arn, clients)[1].report_uri)
    return report is not None and _is_complete(report)


def _is_complete(report: EvaluationReport) -> bool:
    return report.statuses["answered"] == report.records


def _prepare(plan: ImportPlan, model_arn: str, clients: AwsClients) -> tuple[Dataset, EvaluationPlace, MeasuredOn]:
    """Return the records to ask, and where and under which conditions their answers are kept."""
    settings, account = plan.config.evaluation, plan.config.account
    whole = read_evaluation_set(settings.dataset, settings, account, clients.s3)
    dataset = sample(whole, settings.sample, settings.seed)
    prompt = prompt_settings(settings, dataset, account, clients.s3)
    return dataset, *_measured_on(plan, model_arn, dataset, prompt)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _measured_on(
    plan: ImportPlan, model_arn: str, dataset: Dataset, prompt: PromptSettings
) -> tuple[EvaluationPlace, MeasuredOn]:
    settings = plan.config.evaluation
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


def _ask(
    plan: ImportPlan,
    place: EvaluationPlace,
    measured_on: MeasuredOn,
    dataset: Dataset,
    clients: AwsClients,
    *,
    has_earlier: bool,
) -> EvaluationReport:
    """Ask the questions without an answer, store the report and return it."""
    model = clients.bedrock.get_imported_model(modelIdentifier=measured_on.model_arn)
    cost = model_cost(model.get("customModelUnits"), plan.region_name)
    windows = expected_windows(cost, len(dataset.records), measured_on.prompt.max_tokens, measured_on.concurrency)
    log.info("Asking %d records; expected at most %s", len(dataset.records), use_summary(cost, windows))
    interview = ask_all(
        clients.bedrock_runtime,
        measured_on.model_arn,
        dataset.records,
        measured_on.prompt,
        answers_path=plan.workspace_file("answers.jsonl"),
        concurrency=measured_on.concurrency,
        known=outcomes_of(read_records(clients.s3, place.records_uri), dataset.records) if has_earlier else (),
    )
    results = tuple(score_outcomes(interview.outcomes))
    spent = _spent(cost, results)
    log.info("Asked %d records in %.1f s; used %s", interview.asked, interview.seconds, spent)
    report = build_report(measured_on, results, interview.seconds, spent)
    store(clients.s3, place, report, results)
    return report


def _spent(cost: ModelCost, results: tuple[RecordResult, ...]) -> str:
    moments: list[datetime] = [result.answered_at for result in results if result.answered_at]
    return use_summary(cost, used_windows(moments, cost.window_minutes))
