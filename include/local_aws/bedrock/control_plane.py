"""The control plane: import jobs, imported models and tags; evaluation jobs are in a module of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

from include.local_aws.bedrock import evaluation_jobs, judges
from include.local_aws.bedrock.errors import (
    ConflictError,
    InvalidRequestError,
    QuotaExceededError,
    ResourceNotFoundError,
)
from include.local_aws.bedrock.import_worker import start_import
from include.local_aws.bedrock.listing import list_page
from include.local_aws.bedrock.members import Answer, Params, check_tag_count, iso, present, tags_in
from include.local_aws.bedrock.s3_source import key_arn
from include.local_aws.bedrock.scope import Scope
from include.local_aws.bedrock.service import Bedrock
from include.local_aws.bedrock.service_role import check_assumable
from include.local_aws.bedrock.service_rules import service_rules
from include.local_aws.bedrock.state import ImportedModel, ImportJob, RegionState, new_id


def create_model_import_job(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Start an import job and return its ARN; a repeated client token returns the first job's."""
    region = bedrock.regions.of(scope)
    request = {name: value for name, value in params.items() if name != "clientRequestToken"}
    token = params.get("clientRequestToken")
    with region.lock:
        earlier = region.tokens.get(token) if token else None
        if earlier is not None:
            return _repeated(earlier, request)
        job = _new_job(bedrock, scope, region, request)
        region.jobs[job.arn] = job
        region.tags[job.arn] = tags_in(request, "jobTags")
        if token:
            region.tokens[token] = job
        start_import(bedrock, scope, job, bedrock.faults.take_import_failure())
    return {"jobArn": job.arn}


def get_model_import_job(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Return one job."""
    identifier = params["jobIdentifier"]
    job = bedrock.regions.of(scope).job(identifier)
    if job is None:
        raise bedrock.faults.unknown_resource(f"The model import job {identifier} does not exist in {scope.region}.")
    return present(
        _job_summary(job)
        | {
            "roleArn": job.request["roleArn"],
            "modelDataSource": job.request["modelDataSource"],
            "vpcConfig": job.request.get("vpcConfig"),
            "failureMessage": job.failure_message,
            "importedModelKmsKeyArn": job.kms_key_arn,
        }
    )


def list_model_import_jobs(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Return one page of jobs."""
    region = bedrock.regions.of(scope)
    with region.lock:
        page, token = list_page(region.jobs.values(), params)
    return present({"modelImportJobSummaries": [present(_job_summary(job)) for job in page], "nextToken": token})


def get_imported_model(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Return one imported model."""
    model = bedrock.imported_model(scope, params["modelIdentifier"])
    units = {"customModelUnitsPerModelCopy": model.units_per_copy, "customModelUnitsVersion": "v1.0"}
    return present(
        _model_summary(model)
        | {
            "jobName": model.job.name,
            "jobArn": model.job.arn,
            "modelDataSource": model.job.request["modelDataSource"],
            "modelKmsKeyArn": model.job.kms_key_arn,
            "customModelUnits": units,
        }
    )


def list_imported_models(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Return one page of imported models."""
    region = bedrock.regions.of(scope)
    with region.lock:
        page, token = list_page(region.models.values(), params)
    return present({"modelSummaries": [_model_summary(model) for model in page], "nextToken": token})


def delete_imported_model(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Delete an imported model and Bedrock's copy of its checkpoint."""
    region = bedrock.regions.of(scope)
    with region.lock:
        model = bedrock.imported_model(scope, params["modelIdentifier"])
        del region.models[model.arn]
        region.tags.pop(model.arn, None)
    bedrock.servers.drop(model.arn)
    shutil.rmtree(model.folder, ignore_errors=True)
    return {}


def tag_resource(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Add tags, or change their values."""
    region = bedrock.regions.of(scope)
    with region.lock:
        tags = _resource_tags(region, params["resourceARN"]) | tags_in(params, "tags")
        check_tag_count(tags, params["resourceARN"])
        region.tags[params["resourceARN"]] = tags
    return {}


def untag_resource(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Remove tags."""
    region = bedrock.regions.of(scope)
    with region.lock:
        tags = _resource_tags(region, params["resourceARN"])
        region.tags[params["resourceARN"]] = {k: v for k, v in tags.items() if k not in params["tagKeys"]}
    return {}


def list_tags_for_resource(bedrock: Bedrock, scope: Scope, params: Params) -> Answer:
    """Return the tags of a job or a model."""
    tags = _resource_tags(bedrock.regions.of(scope), params["resourceARN"])
    return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}


OPERATIONS: Mapping[str, Callable[[Bedrock, Scope, Params], Answer]] = {
    "CreateModelImportJob": create_model_import_job,
    "GetModelImportJob": get_model_import_job,
    "ListModelImportJobs": list_model_import_jobs,
    "GetImportedModel": get_imported_model,
    "ListImportedModels": list_imported_models,
    "DeleteImportedModel": delete_imported_model,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "ListTagsForResource": list_tags_for_resource,
    "CreateEvaluationJob": evaluation_jobs.create_evaluation_job,
    "GetEvaluationJob": evaluation_jobs.get_evaluation_job,
    "ListEvaluationJobs": evaluation_jobs.list_evaluation_jobs,
    "StopEvaluationJob": evaluation_jobs.stop_evaluation_job,
    "GetFoundationModel": judges.get_foundation_model,
    "GetInferenceProfile": judges.get_inference_profile,
}


def _new_job(bedrock: Bedrock, scope: Scope, region: RegionState, request: Params) -> ImportJob:
    arn = scope.arn(f"model-import-job/{new_id()}")
    if scope.region not in service_rules().regions:
        raise InvalidRequestError(f"Custom Model Import is not available in {scope.region}.")
    for field in ("jobTags", "importedModelTags"):
        check_tag_count(tags_in(request, field), field)
    check_assumable(request["roleArn"], scope, arn)
    job = ImportJob(arn=arn, request=request, kms_key_arn=_kms_key(scope, request))
    _check_names_free(region, job)
    _check_quotas(bedrock, region)
    return job


def _repeated(earlier: ImportJob, request: Params) -> Answer:
    if earlier.request != request:
        raise ConflictError(f"The client request token was used for the job {earlier.name} with other parameters.")
    return {"jobArn": earlier.arn}


def _check_names_free(region: RegionState, job: ImportJob) -> None:
    if region.job(job.name) is not None:
        raise InvalidRequestError("The provided job name is currently in use.")
    running = (other.model_name for other in region.running_jobs())
    if region.model(job.model_name) is not None or job.model_name in running:
        raise InvalidRequestError("The provided imported model name is currently in use.")


def _check_quotas(bedrock: Bedrock, region: RegionState) -> None:
    settings, running = bedrock.settings, len(region.running_jobs())
    if running >= settings.max_running_jobs:
        raise QuotaExceededError(
            f"The account has {running} running model import jobs; the quota is {settings.max_running_jobs} per region."
        )
    if len(region.models) + running >= settings.max_imported_models:
        raise QuotaExceededError(
            f"The account has {len(region.models)} imported models and {running} running import jobs; "
            f"the quota is {settings.max_imported_models} imported models per region."
        )


def _kms_key(scope: Scope, request: Params) -> str | None:
    key_id = request.get("importedModelKmsKeyId")
    if key_id is None:
        return None
    arn = key_arn(key_id, scope.account_id, scope.region)
    if arn is None:
        raise InvalidRequestError(f"The KMS key {key_id} does not exist in {scope.region}.")
    return arn


def _resource_tags(region: RegionState, arn: str) -> dict[str, str]:
    with region.lock:
        if arn not in region.tags:
            raise ResourceNotFoundError(f"The resource {arn} does not exist.")
        return region.tags[arn]


def _job_summary(job: ImportJob) -> Answer:
    return {
        "jobArn": job.arn,
        "jobName": job.name,
        "status": job.status,
        "creationTime": iso(job.created),
        "lastModifiedTime": iso(job.modified),
        "endTime": iso(job.ended) if job.ended else None,
        "importedModelArn": job.model_arn,
        "importedModelName": job.model_name,
    }


def _model_summary(model: ImportedModel) -> Answer:
    return {
        "modelArn": model.arn,
        "modelName": model.name,
        "creationTime": iso(model.created),
        "modelArchitecture": model.model_type,
        "instructSupported": model.instruct_supported,
    }
