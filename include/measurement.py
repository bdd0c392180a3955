"""Measure an imported model, once per model, data set and way of asking; report and record results go to S3."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from include.evaluation.dataset import Dataset, read_dataset
from include.evaluation.invocation import AnsweredRecord, evaluate
from include.evaluation.metrics import Observation, score_record
from include.evaluation.report import MeasuredOn, as_markdown, build_report
from include.evaluation.responses import RequestFormat
from include.evaluation.results import EvaluationReport, PromptSettings, RecordResult
from include.evaluation.storage import EvaluationPlace, read_report, store
from include.plan import ImportPlan

log = logging.getLogger(__name__)

BODY_FORMAT: RequestFormat = "OpenAICompletion"
CONCURRENCY = 8
SEED = 0


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _measured_on(plan: ImportPlan, model_arn: str, dataset: Dataset) -> tuple[EvaluationPlace, MeasuredOn]:
    settings = plan.config.evaluation
    prompt = PromptSettings(
        body_format=BODY_FORMAT, prompt_template=settings.prompt_template, max_tokens=settings.max_tokens
    )
    conditions = _digest([[record.digest for record in dataset.records], prompt.model_dump()])
    key = f"{plan.evaluation_prefix}/{_digest([model_arn, dataset.digest, conditions, SEED])[:12]}"
    place = EvaluationPlace(plan.bucket, key)
    return place, MeasuredOn(
        model_arn=model_arn,
        dataset_uri=dataset.uri,
        dataset_digest=dataset.digest,
        dataset_records=len(dataset.records),
        seed=SEED,
        conditions_digest=conditions,
        prompt=prompt,
        concurrency=CONCURRENCY,
        records_uri=place.records_uri,
    )


def _results(answers: Sequence[AnsweredRecord]) -> Iterator[RecordResult]:
    seen: Counter[str] = Counter()
    for answered in answers:
        record, answer = answered.record, answered.answer
        seen[record.digest] += 1
        again = f"-{seen[record.digest]}" if seen[record.digest] > 1 else ""
        yield RecordResult(
            record_id=record.digest[:16] + again,
            index=record.index,
            question=record.question,
            accepted_answers=record.accepted_answers,
            category=record.category,
            status="answered",
            answer=answer.text,
            scores=score_record(Observation(record.accepted_answers, answer.text)),
            stop_reason=answer.stop_reason,
            latency_seconds=answered.latency_seconds,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
        )


def _ask(
    plan: ImportPlan, measured_on: MeasuredOn, dataset: Dataset, runtime: Any
) -> tuple[EvaluationReport, tuple[RecordResult, ...]]:
    settings = plan.config.evaluation
    result = evaluate(
        runtime,
        measured_on.model_arn,
        dataset.records,
        settings.prompt_template,
        settings.max_tokens,
        answers_path=plan.workspace_file("answers.jsonl"),
        body_format=BODY_FORMAT,
        concurrency=CONCURRENCY,
    )
    results = tuple(_results(result.answers))
    return build_report(measured_on, results, result.seconds), results


def measure(plan: ImportPlan, model_arn: str, runtime: Any, s3: Any) -> Mapping[str, Any]:
    """Return the summary of the model's report, with ``scores``, ``report_uri`` and ``body_format``.

    What was measured before is not asked again. Any imported model can be measured, the champion too: under the plan's
    prefix, on the plan's data set, asked the plan's way.

    Args:
        plan: names the evaluation set, the prompt and where the report goes.
        model_arn: the imported model.
        runtime: a bedrock-runtime client.
        s3: an S3 client.
    """
    dataset = replace(read_dataset(plan.dataset_path), uri=plan.config.evaluation.dataset)
    place, measured_on = _measured_on(plan, model_arn, dataset)
    report = read_report(s3, place.report_uri)
    if report is None:
        report, results = _ask(plan, measured_on, dataset, runtime)
        store(s3, place, report, results)
    else:
        log.info("This model was measured on this data set before: nothing is asked again")
    log.info("Evaluation of %s:\n%s", model_arn, as_markdown(report))
    return {
        "scores": report.scores,
        "report_uri": place.report_uri,
        "body_format": report.prompt.body_format,
        **report.summary(),
    }
