"""Measure an imported model, once per model, data set and way of asking; the report goes to S3."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from include.evaluation.dataset import Dataset, read_dataset
from include.evaluation.invocation import evaluate
from include.evaluation.report import EvaluationReport, build_report
from include.evaluation.responses import RequestFormat
from include.plan import ImportPlan

log = logging.getLogger(__name__)

BODY_FORMAT: RequestFormat = "OpenAICompletion"


def _report_key(plan: ImportPlan, model_arn: str, dataset: Dataset) -> str:
    asked = [model_arn, dataset.digest, plan.config.evaluation.prompt_template, plan.config.evaluation.max_tokens]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    return f"{plan.evaluation_prefix}/{digest[:12]}.json"


def _earlier_report(s3: Any, bucket: str, key: str) -> EvaluationReport | None:
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return EvaluationReport.model_validate_json(body)


def _ask(plan: ImportPlan, model_arn: str, dataset: Dataset, runtime: Any) -> EvaluationReport:
    settings = plan.config.evaluation
    answers_path = plan.workspace_file("answers.jsonl")
    answers_path.parent.mkdir(parents=True, exist_ok=True)
    result = evaluate(
        runtime,
        model_arn,
        dataset.records,
        settings.prompt_template,
        settings.max_tokens,
        answers_path=answers_path,
        body_format=BODY_FORMAT,
    )
    return build_report(dataset, result)


def _summary(report: EvaluationReport, uri: str) -> dict[str, Any]:
    return {
        "scores": asdict(report.scores),
        "records": report.records,
        "dataset_digest": report.dataset_digest,
        "report_uri": uri,
        "body_format": BODY_FORMAT,
        "latency_p50_seconds": report.latency_p50_seconds,
        "latency_p95_seconds": report.latency_p95_seconds,
    }


def measure(plan: ImportPlan, model_arn: str, runtime: Any, s3: Any) -> Mapping[str, Any]:
    """Return the model's mean scores and where the full report lies; what was measured before is not asked again.

    Args:
        plan: names the evaluation set, the prompt and where the report goes.
        model_arn: the imported model.
        runtime: a bedrock-runtime client.
        s3: an S3 client.
    """
    dataset = replace(read_dataset(plan.dataset_path), uri=plan.config.evaluation.dataset)
    key = _report_key(plan, model_arn, dataset)
    report = _earlier_report(s3, plan.bucket, key)
    if report is None:
        report = _ask(plan, model_arn, dataset, runtime)
        s3.put_object(Bucket=plan.bucket, Key=key, Body=report.model_dump_json(indent=1).encode())
    else:
        log.info("This model was measured on this data set before: nothing is asked again")
    log.info("Evaluation of %s:\n%s", model_arn, report.scores_as_markdown())
    return _summary(report, f"s3://{plan.bucket}/{key}")
