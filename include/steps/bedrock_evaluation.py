"""Have a Bedrock evaluation job score a version's stored answers; its scores are shown and decide nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from include.aws.calls import CONFLICT_CODE, find
from include.aws.clients import AwsClients
from include.aws.console import evaluation_job_url
from include.aws.s3_uri import S3Uri
from include.aws.transient import NO_ANSWER, error_code
from include.config.bedrock_evaluation import BedrockEvaluationConfig
from include.errors import ModelImportError
from include.evaluation.storage import read_model, write_model
from include.judging.evaluation_job import (
    EvaluatedAnswers,
    EvaluationJobPlace,
    EvaluationJobSettings,
    answers_to_evaluate,
    evaluation_job_place,
    job_digest,
    job_name,
    job_request,
)
from include.judging.evaluation_job_scores import EvaluationJobScores, read_written_scores
from include.run.plan import ImportPlan
from include.steps.evaluation_job_results import EvaluationJobResult, StartedEvaluationJob
from include.steps.informing import reported
from include.steps.results import EvaluationResult
from include.steps.stored_evaluations import records_of, stored_report

log = logging.getLogger(__name__)

#: Jobs in these states are adopted; of one that has ended otherwise, the next attempt is made.
_ADOPTED = frozenset({"InProgress", "Completed"})
#: Tags of the job; each is an entry of the plan's tags.
_TAGS = ("model_name", "fingerprint", "dag_id", "dag_run_id")
_NOT_STARTED = "the Bedrock evaluation job was not started"
_NOT_READ = "the Bedrock evaluation job gave no scores"


class EvaluationJobEndedError(ModelImportError):
    """The job has no scores: it failed, was stopped, or had not ended when the wait for it was over."""

    def __init__(self, job_arn: str, status: str, messages: tuple[str, ...]) -> None:
        super().__init__(
            "The Bedrock evaluation job is not complete",
            job_arn,
            "Completed",
            ": ".join((status, "; ".join(messages))) if messages else status,
            "Correct the cause, then clear create_bedrock_evaluation: it makes another job of one that has failed.",
        )


class NoAnswersToEvaluateError(ModelImportError):
    """The model answered no record, so that there is nothing to score."""

    def __init__(self, report_uri: str) -> None:
        super().__init__("There is no answer to evaluate", report_uri)


class _Work(NamedTuple):
    """The answers, how they are scored, and the names that follow from both."""

    answers: EvaluatedAnswers
    settings: EvaluationJobSettings
    digest: str
    place: EvaluationJobPlace


def create_evaluation(
    plan: ImportPlan, candidate: EvaluationResult, clients: AwsClients, *, last_try: bool = False
) -> StartedEvaluationJob:
    """Return the evaluation job for the candidate's answers in the main suite: a new one, or the one that exists.

    There is one job for the same answers, evaluator and metrics, whichever run asks for it: its name and client request
    token follow from them. Only after a job that failed or was stopped, another one is made.

    Args:
        plan: what is imported; its configuration names the evaluator.
        candidate: the candidate's evaluation.
        clients: S3 and Bedrock are asked.
        last_try: whether the task is not tried again; a transient error is raised otherwise.
    """
    from botocore.exceptions import ClientError

    config = plan.config.bedrock_evaluation
    if config is None:
        return StartedEvaluationJob(problem="the model's file names no evaluator model")
    try:
        return _create(plan, _prepare(plan, config, candidate, clients.s3), clients)
    except (ModelImportError, ClientError, *NO_ANSWER) as error:
        return StartedEvaluationJob(problem=reported(_NOT_STARTED, error, last_try=last_try))


def _prepare(plan: ImportPlan, config: BedrockEvaluationConfig, candidate: EvaluationResult, s3: Any) -> _Work:
    suite = plan.config.suites[0]
    results = records_of(s3, stored_report(s3, candidate.report_uri))
    answers = answers_to_evaluate(results, suite.name, plan.imported_model_name, config.records, suite.seed)
    if not answers.records:
        raise NoAnswersToEvaluateError(candidate.report_uri)
    settings = EvaluationJobSettings(config.evaluator_model, tuple(dict.fromkeys(config.metrics)))
    digest = job_digest(answers, settings)
    return _Work(answers, settings, digest, evaluation_job_place(candidate.report_uri, digest))


def _create(plan: ImportPlan, work: _Work, clients: AwsClients) -> StartedEvaluationJob:
    if stored := read_model(clients.s3, work.place.scores_uri, EvaluationJobScores):
        log.info("These answers were scored before, by %s: no job is made", stored.job_name)
        return _started(stored.job_arn, stored.job_name, work, adopted=True)
    found = _find(plan, work, clients.bedrock)
    if isinstance(found, Mapping):
        log.info("Adopted the evaluation job %s, which is %s", found["jobName"], found["status"])
        return _started(found["jobArn"], found["jobName"], work, adopted=True)
    place = S3Uri.parse(work.place.data_set_uri)
    clients.s3.put_object(**place.arguments, Body=work.answers.body, ContentType="application/jsonl")
    return _request(plan, work, found, clients)


def _find(plan: ImportPlan, work: _Work, bedrock: Any) -> Mapping[str, Any] | int:
    """Return the job to adopt, or the number of the attempt to make."""
    name = partial(job_name, plan.config.model_name, work.digest)
    pages = bedrock.get_paginator("list_evaluation_jobs").paginate(nameContains=name())
    jobs: dict[str, Mapping[str, Any]] = {job["jobName"]: job for page in pages for job in page.get("jobSummaries", ())}
    attempt = 1
    while job := jobs.get(name(attempt)):
        if job["status"] in _ADOPTED:
            return job
        attempt += 1
    return attempt


def _request(plan: ImportPlan, work: _Work, attempt: int, clients: AwsClients) -> StartedEvaluationJob:
    from botocore.exceptions import ClientError

    name = job_name(plan.config.model_name, work.digest, attempt)
    role_arn = str(plan.config.account.evaluation_role_arn)
    request = job_request(name, role_arn, work.answers, work.settings, work.place)
    request["jobTags"] = [{"key": tag, "value": plan.tags[tag]} for tag in _TAGS if tag in plan.tags]
    try:
        job_arn = clients.bedrock.create_evaluation_job(**request)["jobArn"]
    except ClientError as error:
        # The name is taken where another process was faster, or the list did not show the job yet.
        found = _find(plan, work, clients.bedrock) if error_code(error) == CONFLICT_CODE else None
        if not isinstance(found, Mapping):
            raise
        return _started(found["jobArn"], found["jobName"], work, adopted=True)
    log.info(
        "Created the evaluation job %s: %s scores %d answers by %s",
        name, work.settings.evaluator_model, work.answers.records, ", ".join(work.settings.metrics),
    )  # fmt: skip
    return _started(job_arn, name, work, adopted=False)


def _started(job_arn: str, name: str, work: _Work, *, adopted: bool) -> StartedEvaluationJob:
    return StartedEvaluationJob(job_arn=job_arn, job_name=name, scores_uri=work.place.scores_uri, adopted=adopted)


def read_evaluation(
    plan: ImportPlan,
    candidate: EvaluationResult,
    started: StartedEvaluationJob,
    clients: AwsClients,
    *,
    last_try: bool = False,
) -> EvaluationJobResult:
    """Return the scores of a job that has ended, after storing them beside the candidate's evaluation.

    Args:
        plan: what is imported; its configuration names the evaluator.
        candidate: the candidate's evaluation.
        started: what ``create_evaluation`` returned.
        clients: S3 and Bedrock are asked.
        last_try: whether the task is not tried again; a transient error is raised otherwise.
    """
    from botocore.exceptions import ClientError

    config = plan.config.bedrock_evaluation
    if config is None or not started.job_arn:
        return EvaluationJobResult(problem=started.problem)
    try:
        scores = read_model(clients.s3, started.scores_uri, EvaluationJobScores)
        scores = scores or _read(plan, _prepare(plan, config, candidate, clients.s3), started, clients)
    except (ModelImportError, ClientError, *NO_ANSWER) as error:
        return EvaluationJobResult(problem=reported(_NOT_READ, error, last_try=last_try))
    log.info("%s", scores.summary())
    return EvaluationJobResult(scores_uri=started.scores_uri, summary=scores.summary())


def _read(plan: ImportPlan, work: _Work, started: StartedEvaluationJob, clients: AwsClients) -> EvaluationJobScores:
    job = find(clients.bedrock, "get_evaluation_job", jobIdentifier=started.job_arn)
    status = str(job["status"]) if job else "there is no such job any more"
    if job is None or status != "Completed":
        raise EvaluationJobEndedError(started.job_arn, status, tuple((job or {}).get("failureMessages", ())))
    written = read_written_scores(clients.s3, work.place.output_uri, started.job_name)
    seconds = (job["lastModifiedTime"] - job["creationTime"]).total_seconds() if "lastModifiedTime" in job else None
    scores = EvaluationJobScores(
        job_arn=started.job_arn,
        job_name=started.job_name,
        evaluator_model=work.settings.evaluator_model,
        suite=work.answers.suite,
        data_set_uri=work.place.data_set_uri,
        output_uri=work.place.output_uri,
        records=work.answers.records,
        written=written.lines,
        scores=written.estimates(plan.config.suites[0].seed),
        unscored=written.unscored(),
        seconds=seconds,
        console_url=evaluation_job_url(clients.bedrock.meta.endpoint_url, started.job_name, started.job_arn),
    )
    write_model(clients.s3, work.place.scores_uri, scores)
    return scores


def stored_scores(scores_uri: str, s3: Any) -> EvaluationJobScores | None:
    """Return the scores that ``read_evaluation`` stored; None where there are none."""
    return read_model(s3, scores_uri, EvaluationJobScores) if scores_uri else None
