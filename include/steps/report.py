"""Write a version's report beside its evaluations in S3."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from include.aws.clients import AwsClients
from include.aws.errors import S3RequestError
from include.aws.s3 import request
from include.aws.s3_uri import S3Uri
from include.aws.transient import NO_ANSWER
from include.config.suites import DEFAULT_METRIC, MAIN
from include.evaluation.answer_marks import read_marks
from include.evaluation.metrics import scores_named
from include.evaluation.profile import profile
from include.evaluation.results import EvaluationReport, PromptSettings
from include.evaluation.storage import comparison_uri, read_comparison, read_report
from include.promotion.decision import compared_metrics
from include.promotion.sample_size import margin_note
from include.registry.sagemaker import metadata_value
from include.registry.search import newest_versions
from include.reporting.clients import Guardrail, client_examples
from include.reporting.content import Measured, ReportContent, build_content
from include.reporting.evaluation_job import evaluation_job_content
from include.reporting.judge import JudgeContent, judge_content
from include.reporting.page import render
from include.reporting.suites import SuiteContent, suite_content
from include.run.plan import ImportPlan
from include.run.report_place import model_path, report_html_uri
from include.steps.baseline import stored_baseline
from include.steps.bedrock_evaluation import stored_scores
from include.steps.decide import compare_with_champion, stored_comparison
from include.steps.evaluate import json_digest
from include.steps.judge import stored_judge_reports
from include.steps.merge_proof import merge_proof
from include.steps.report_training import training_section
from include.steps.results import AnswerResult, DecisionResult, EvaluationResult, RegistrationResult, ReportResult
from include.steps.stored_evaluations import records_of, stored_report

log = logging.getLogger(__name__)

#: Metadata of the page: what it was written for.
WRITTEN_FOR = "written-for"
#: Among so many of a model's newest versions its base model is looked for.
MOST_VERSIONS = 100


class ReportedVersion(NamedTuple):
    """A registered version, the decision with which it was registered, and the answer if a person was asked."""

    registered: RegistrationResult
    decision: DecisionResult
    answered: AnswerResult | None = None


def write_report(plan: ImportPlan, version: ReportedVersion, run_url: str, clients: AwsClients) -> ReportResult:
    """Write or overwrite the page, and return its URI.

    Args:
        plan: what was imported.
        version: the version, and what was decided about it.
        run_url: the page of the DAG run.
        clients: S3 and SageMaker are asked.
    """
    uri = report_html_uri(plan.bucket, plan.evaluation_prefix)
    base = _base_model(plan, version.registered, clients)
    content = report_content(plan, version, run_url, clients.s3, base)
    page = render(replace(content, training=training_section(plan, clients))).encode()
    measured = {MAIN: version.registered.report_uri} | {one.suite: one.report_uri for one in version.decision.suites}
    clients.s3.put_object(
        **S3Uri.parse(uri).arguments,
        Body=page,
        ContentType="text/html; charset=utf-8",
        Metadata={WRITTEN_FOR: _digest(plan, measured)},
    )
    log.info("The report is at %s", uri)
    return ReportResult(report_html_uri=uri, bytes=len(page))


def is_reported(plan: ImportPlan, evaluation: EvaluationResult, s3: Any) -> bool:
    """Return whether the version's page was written for this very configuration and these evaluations.

    Raises:
        S3RequestError: S3 refused the request.
    """
    uri = report_html_uri(plan.bucket, plan.evaluation_prefix)
    try:
        found = request(s3, "head_object", uri, S3Uri.parse(uri).arguments)["Metadata"]
    except S3RequestError as error:
        if error.code != "404":
            raise
        return False
    measured = {MAIN: evaluation.report_uri} | evaluation.other_uris
    return bool(found.get(WRITTEN_FOR) == _digest(plan, measured))


def _digest(plan: ImportPlan, measured: Mapping[str, str]) -> str:
    """Return what identifies a configuration and the URIs of the suites' evaluations."""
    return json_digest([plan.config.model_dump(mode="json"), measured])


def _base_model(plan: ImportPlan, registered: RegistrationResult, clients: AwsClients) -> Measured | None:
    """Return the model's baseline, or else the base model if a version of it was measured on the same data.

    For the report only, so a registry that cannot be asked is no failure.
    """
    from botocore.exceptions import ClientError

    if plan.config.comparison.baseline:
        return stored_baseline(plan, clients)
    if plan.config.adapter is None:
        return None
    report, base = stored_report(clients.s3, registered.report_uri), metadata_value(plan.config.base)
    digest = report.dataset_digest
    try:
        for version in newest_versions(clients.sagemaker, plan.config.model_name, MOST_VERSIONS):
            same = version.is_base and (version.metadata["base"], version.dataset_digest) == (base, digest)
            if same and (found := read_report(clients.s3, version.report_uri)):
                other = "" if found.conditions_digest == report.conditions_digest else ", asked in another way"
                return Measured(f"base model, version {version.number}{other}", found, ())
    except (ClientError, *NO_ANSWER) as error:
        log.info("Whether the base model was measured is not known: %s", error)
    return None


def report_content(
    plan: ImportPlan, version: ReportedVersion, run_url: str, s3: Any, base: Measured | None = None
) -> ReportContent:
    """Return the page's content; evaluations and comparison are read from S3."""
    registered, decision, answered = version
    candidate = _measured("this version", registered.report_uri, s3)
    champion = None
    if uri := decision.champion_report_uri:
        champion = _measured(f"champion version {decision.champion}", uri, s3)
    comparison = stored_comparison(plan, registered.report_uri, decision, s3)
    facts = {
        "model_name": plan.config.model_name,
        "description": plan.config.description,
        "version": registered.version,
        "status": (answered or registered).status,
        "answer": answered.reason if answered else "",
        "compared": next(iter(scores_named(compared_metrics(plan.config), candidate.report.scores)), DEFAULT_METRIC),
        "costs": tuple(_costs(plan, registered, candidate.report, decision, s3)),
        "suites": tuple(_suites(plan, decision, s3)),
        "judged": tuple(_judged(decision, s3)),
        "sample_size": _sample_size(plan, candidate.report, decision),
        "clients": client_examples(
            registered.imported_model_arn, registered.converse, _guardrail(candidate.report.prompt)
        ),
        "provenance": _provenance(plan, registered, candidate, run_url, merge_proof(plan, s3)),
        "model_url": run_url.partition("/dags/")[0] + model_path(plan.config.model_name),
    }
    marks = read_marks(s3, candidate.report).marks
    return build_content(candidate, champion, comparison, decision, facts, base, marks)


def _judged(decision: DecisionResult, s3: Any) -> Iterator[JudgeContent]:
    """Yield what is shown of the judge, and of the Bedrock evaluation job."""
    yield from map(judge_content, stored_judge_reports(decision.judged, s3))
    if scores := stored_scores(decision.evaluation_job.scores_uri, s3):
        yield evaluation_job_content(scores)


def _suites(plan: ImportPlan, decision: DecisionResult, s3: Any) -> Iterator[SuiteContent]:
    """Yield what is shown of the suites after the main one."""
    suites = {suite.name: suite for suite in plan.config.suites}
    for reports in decision.suites:
        champion_uri, comparison = reports.champion_report_uri, None
        if champion_uri:
            stored = read_comparison(s3, comparison_uri(reports.report_uri, champion_uri))
            suite = suites[reports.suite]
            comparison = stored or compare_with_champion(plan, reports.report_uri, champion_uri, s3, suite)
        champion = stored_report(s3, champion_uri) if champion_uri else None
        yield suite_content(reports.suite, reports.effect, stored_report(s3, reports.report_uri), champion, comparison)


def _costs(
    plan: ImportPlan, registered: RegistrationResult, report: EvaluationReport, decision: DecisionResult, s3: Any
) -> Iterator[str]:
    """Yield what the model and its evaluations cost: of several suites each by its name, with its time."""
    yield registered.cost
    if not decision.suites:
        yield report.cost_summary
        return
    others = [(reports.suite, stored_report(s3, reports.report_uri)) for reports in decision.suites]
    for name, one in ((plan.config.suites[0].name, report), *others):
        yield f"Suite {name}: {one.records} records in {one.seconds:.0f} s, {one.cost_summary or 'cost unknown'}"


def _guardrail(prompt: PromptSettings) -> Guardrail | None:
    return Guardrail(prompt.guardrail_id, prompt.guardrail_version or "DRAFT") if prompt.guardrail_id else None


def _sample_size(plan: ImportPlan, report: EvaluationReport, decision: DecisionResult) -> str:
    """Return what the number of records can show, where there was a comparison."""
    return margin_note(report.records, plan.config.comparison.margin) if decision.champion_report_uri else ""


def _measured(name: str, uri: str, s3: Any) -> Measured:
    report = stored_report(s3, uri)
    return Measured(name, report, records_of(s3, report))


def _provenance(
    plan: ImportPlan, registered: RegistrationResult, candidate: Measured, run_url: str, proof: str
) -> tuple[tuple[str, str], ...]:
    report, records = candidate.report, profile(candidate.records).text()
    prompt = report.prompt
    facts = {
        "Base": plan.config.base,
        "Adapter": plan.config.adapter or "",
        "Licence": plan.config.licence,
        "Fingerprint": plan.fingerprint,
        "Merge": proof,
        "Checkpoint": plan.s3_uri,
        "Imported model": registered.imported_model_arn,
        "Version in the registry": registered.arn,
        "DAG run": run_url,
        "Data set": f"{report.dataset_uri}, SHA-256 {report.dataset_digest}",
        "Records asked": records,
        "Results of all records": report.records_uri,
        "Prompt": f"{prompt.prompt_template}, at most {prompt.max_tokens} tokens, temperature {prompt.temperature:g}",
        "Body format": prompt.body_format,
        "Every answer is one of": ", ".join(prompt.choices),
    }
    return tuple((name, value) for name, value in facts.items() if value)
