"""Write a version's report beside its evaluations in S3."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from include.aws.s3_uri import S3Uri
from include.evaluation.results import EvaluationReport
from include.promotion.decision import PromotionDecision, compared_metrics
from include.reporting.content import Measured, ReportContent, build_content
from include.reporting.page import render
from include.run.plan import ImportPlan
from include.run.report_place import report_html_uri
from include.steps.decide import compare_with_champion, records_of, stored_report
from include.steps.register import merge_proof

log = logging.getLogger(__name__)

Done = Mapping[str, Mapping[str, Any] | None]
"""What the run's tasks returned, by task."""


def write_report(plan: ImportPlan, done: Done, run_url: str, s3: Any) -> dict[str, Any]:
    """Write the page, or overwrite it, and return its URI.

    Args:
        plan: what was imported.
        done: what decide_promotion and register_version returned, and record_answer if a person was asked.
        run_url: the page of the DAG run.
        s3: an S3 client.
    """
    uri = report_html_uri(plan.bucket, plan.evaluation_prefix)
    page = render(report_content(plan, done, run_url, s3)).encode()
    s3.put_object(**S3Uri.parse(uri).arguments, Body=page, ContentType="text/html; charset=utf-8")
    log.info("The report is at %s", uri)
    return {"report_html_uri": uri, "bytes": len(page)}


def report_content(plan: ImportPlan, done: Done, run_url: str, s3: Any) -> ReportContent:
    """Return what the page says; both evaluations are read from S3."""
    decision, registered = dict(done["decide_promotion"] or {}), dict(done["register_version"] or {})
    answered = done.get("record_answer") or {}
    candidate = _measured("this version", registered["report_uri"], s3)
    champion = None
    if uri := decision["champion_report_uri"]:
        champion = _measured(f"champion version {decision['champion']}", uri, s3)
    comparison = compare_with_champion(plan, registered["report_uri"], uri, s3) if champion else None
    facts = {
        "model_name": plan.config.model_name,
        "description": plan.config.description,
        "version": registered["version"],
        "status": {**registered, **answered}["status"],
        "answer": answered.get("reason", ""),
        "compared": compared_metrics(plan.config)[0],
        "costs": tuple(filter(None, (registered["cost"], candidate.report.cost_summary))),
        "provenance": _provenance(plan, registered, candidate.report, run_url, merge_proof(plan, s3)),
    }
    return build_content(candidate, champion, comparison, PromotionDecision.model_validate(decision), facts)


def _measured(name: str, uri: str, s3: Any) -> Measured:
    report = stored_report(s3, uri)
    return Measured(name, report, records_of(s3, report))


def _provenance(
    plan: ImportPlan, registered: Mapping[str, Any], report: EvaluationReport, run_url: str, proof: str
) -> tuple[tuple[str, str], ...]:
    prompt = report.prompt
    facts = {
        "Base": plan.config.base,
        "Adapter": plan.config.adapter or "",
        "Licence": plan.config.licence,
        "Fingerprint": plan.fingerprint,
        "Merge": proof,
        "Checkpoint": plan.s3_uri,
        "Imported model": registered["imported_model_arn"],
        "Version in the registry": registered["arn"],
        "DAG run": run_url,
        "Data set": f"{report.dataset_uri}, SHA-256 {report.dataset_digest}",
        "Results of all records": report.records_uri,
        "Prompt": f"{prompt.prompt_template}, at most {prompt.max_tokens} tokens, temperature {prompt.temperature:g}",
        "Body format": prompt.body_format,
    }
    return tuple((name, value) for name, value in facts.items() if value)
