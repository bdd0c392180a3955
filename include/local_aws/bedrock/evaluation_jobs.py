"""Evaluation jobs: automated ones in which a scripted judge scores answers that the data set holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from include.local_aws.bedrock.errors import ConflictError, InvalidRequestError, OperationNotEmulatedError
from include.local_aws.bedrock.evaluation_worker import start_evaluation
from include.local_aws.bedrock.listing import list_page
from include.local_aws.bedrock.members import Answer, Params, check_tag_count, iso, present, tags_in
from include.local_aws.bedrock.scope import Scope
from include.local_aws.bedrock.scripts import Judge
from include.local_aws.bedrock.service import Bedrock
from include.local_aws.bedrock.service_role import check_assumable
from include.local_aws.bedrock.state import EvaluationJob, RegionState, new_id, now

#: ListEvaluationJobsResponse holds no more, by the service model.
MOST_SUMMARIES = 5
#: https://docs.aws.amazon.com/bedrock/latest/userguide/model-evaluation-type-judge-prompt.html
METRICS = frozenset(
    f"Builtin.{name}"
    for name in (
        "Correctness", "Completeness", "Faithfulness", "Helpfulness", "Coherence", "Relevance", "FollowingInstructions",
        "ProfessionalStyleAndTone", "Harmfulness", "Stereotyping", "Refusal",
    )
)  # fmt: skip


def create_evaluation_job(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Start a job and return its ARN; a repeated client token returns the first job's."""
    region = bedrock.regions.of(scope)
    request = {name: value for name, value in params.items() if name != "clientRequestToken"}
    token = params.get("clientRequestToken")
    with region.lock:
        if earlier := region.evaluation_tokens.get(str(token)):
            return {"jobArn": earlier}
        job = EvaluationJob(arn=scope.arn(f"evaluation-job/{new_id()}"), request=request)
        judge = _check(bedrock, scope, region, job)
        region.evaluations[job.arn] = job
        region.tags[job.arn] = tags_in(request, "jobTags")
        region.evaluation_tokens[str(token)] = job.arn
        start_evaluation(bedrock, scope, job, judge)
    return {"jobArn": job.arn}


def get_evaluation_job(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Return one job."""
    job = _job(bedrock, scope, params)
    failed = list(job.failure_messages) or None
    return present(_summary(job) | _requested(job) | {"failureMessages": failed, "lastModifiedTime": iso(job.modified)})


def list_evaluation_jobs(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Return one page of jobs."""
    region = bedrock.regions.of(scope)
    size = min(int(params.get("maxResults", MOST_SUMMARIES)), MOST_SUMMARIES)
    kind = params.get("applicationTypeEquals")
    with region.lock:
        jobs = [job for job in region.evaluations.values() if kind in (None, job.application_type)]
        page, token = list_page(jobs, {**params, "maxResults": size})
    return present({"jobSummaries": [_summary(job) | _listed(job) for job in page], "nextToken": token})


def stop_evaluation_job(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Ask a running job to stop."""
    region = bedrock.regions.of(scope)
    with region.lock:
        job = _job(bedrock, scope, params)
        if job.status != "InProgress":
            raise ConflictError(f"The evaluation job {job.arn} is {job.status}.")
        region.evaluations[job.arn] = replace(job, status="Stopping", modified=now())
    return {}


def _job(bedrock: Bedrock, scope: Scope, params: Params) -> EvaluationJob:
    arn = params["jobIdentifier"]
    job = bedrock.regions.of(scope).evaluations.get(arn)
    if job is None:
        raise bedrock.faults.unknown_resource(f"The evaluation job {arn} does not exist.")
    return job


def _check(bedrock: Bedrock, scope: Scope, region: RegionState, job: EvaluationJob) -> Judge:
    """Return the evaluator; raises what the service would answer to a request that it does not carry out."""
    _check_emulated(job.request)
    check_tag_count(tags_in(job.request, "jobTags"), "jobTags")
    check_assumable(job.request["roleArn"], scope, job.arn)
    if any(other.name == job.name for other in region.evaluations.values()):
        raise ConflictError(f"An evaluation job with the name {job.name} already exists.")
    if unknown := sorted({name for one in job.data_sets for name in one["metricNames"]} - METRICS):
        raise InvalidRequestError(f"The metric {unknown[0]} is not one that an evaluator model computes.")
    judge = bedrock.faults.judge(job.evaluator)
    if judge is None or not judge.on_demand:
        raise InvalidRequestError(f"The provided model identifier is invalid: {job.evaluator}.")
    return judge


def _check_emulated(request: Mapping[str, Any]) -> None:
    if problem := next(_foreign_parts(request), None):
        raise OperationNotEmulatedError(f"The stand-in for AWS does not emulate evaluation jobs with {problem}.")


def _foreign_parts(request: Mapping[str, Any]) -> Iterator[str]:
    automated, models = request["evaluationConfig"].get("automated"), request["inferenceConfig"].get("models", [])
    if request.get("applicationType", "ModelEvaluation") != "ModelEvaluation" or not automated:
        yield "people or retrieval"
        return
    if "customMetricConfig" in automated or "evaluatorModelConfig" not in automated:
        yield "metrics of one's own or without an evaluator model"
    if any(
        one["taskType"] != "General" or "datasetLocation" not in one["dataset"]
        for one in automated["datasetMetricConfigs"]
    ):
        yield "another task type than General, or built-in data sets"
    if [list(model) for model in models] != [["precomputedInferenceSource"]]:
        yield "models that it would ask: the data set holds the answers of one precomputedInferenceSource"


def _requested(job: EvaluationJob) -> Answer:
    names = ("roleArn", "jobDescription", "customerEncryptionKeyId", "evaluationConfig", "inferenceConfig")
    return {name: job.request.get(name) for name in (*names, "outputDataConfig")}


def _summary(job: EvaluationJob) -> Answer:
    return {
        "jobArn": job.arn,
        "jobName": job.name,
        "status": job.status,
        "jobType": "Automated",
        "applicationType": job.application_type,
        "creationTime": iso(job.created),
    }


def _listed(job: EvaluationJob) -> Answer:
    return {
        "evaluationTaskTypes": [one["taskType"] for one in job.data_sets],
        "evaluatorModelIdentifiers": [job.evaluator],
        "inferenceConfigSummary": {"modelConfigSummary": {"precomputedInferenceSourceIdentifiers": [job.source]}},
    }
