"""The life of an import job, and the rules of names, tokens, quotas, pages and tags."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.bedrock_stand_in import ACCOUNT, BUCKET, REGION, Aws, error_code


@pytest.fixture(autouse=True)
def _fresh(aws: Aws) -> None:
    aws.script("reset")


def refused(aws: Aws, s3_uri: str, name: str, **more: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        aws.create_job(s3_uri, name, **more)
    return caught.value


def test_a_job_is_in_progress_until_it_has_made_a_model(aws: Aws, s3_uri: str) -> None:
    bedrock = aws.client("bedrock")
    aws.script("hold-imports")
    arn = aws.create_job(s3_uri, "capitals")
    assert re.fullmatch(rf"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-import-job/[a-z0-9]{{12}}", arn)
    running = bedrock.get_model_import_job(jobIdentifier="capitals")
    assert running["status"] == "InProgress"
    assert not {"endTime", "importedModelArn", "failureMessage"} & set(running)
    assert bedrock.list_imported_models()["modelSummaries"] == []
    aws.script("release-imports")
    done = aws.finished_job(arn)
    assert done["status"] == "Completed"
    assert done["endTime"] >= done["creationTime"]
    assert re.fullmatch(rf"arn:aws:bedrock:{REGION}:{ACCOUNT}:imported-model/[a-z0-9]{{12}}", done["importedModelArn"])


def test_creating_a_job_answers_201_and_the_arn_only(aws: Aws, s3_uri: str) -> None:
    answer = aws.client("bedrock").create_model_import_job(
        jobName="capitals",
        importedModelName="capitals",
        roleArn=aws.role_arn,
        modelDataSource={"s3DataSource": {"s3Uri": s3_uri}},
    )
    assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    assert set(answer) == {"jobArn"}


def test_an_imported_model_is_found_by_name_and_arn_and_tells_what_it_is(aws: Aws, s3_uri: str) -> None:
    arn = aws.import_model(s3_uri, "capitals")
    bedrock = aws.client("bedrock")
    by_name, by_arn = (bedrock.get_imported_model(modelIdentifier=name) for name in ("capitals", arn))
    for answer in (by_name, by_arn):
        del answer["ResponseMetadata"]
    assert by_name == by_arn
    assert by_name["modelArchitecture"] == "mistral"
    assert by_name["instructSupported"] is True
    assert by_name["customModelUnits"] == {"customModelUnitsPerModelCopy": 1, "customModelUnitsVersion": "v1.0"}
    assert by_name["modelDataSource"] == {"s3DataSource": {"s3Uri": s3_uri}}
    assert by_name["jobName"] == "capitals"


def test_a_deleted_model_is_gone_and_its_name_is_free(aws: Aws, s3_uri: str) -> None:
    bedrock = aws.client("bedrock")
    first = aws.import_model(s3_uri, "capitals")
    bedrock.delete_imported_model(modelIdentifier="capitals")
    for identifier in ("capitals", first):
        with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
            bedrock.get_imported_model(modelIdentifier=identifier)
    assert aws.import_model(s3_uri, "capitals", jobName="again") != first


def test_the_import_outlives_the_objects_it_was_made_from(aws: Aws, checkpoint: Any) -> None:
    s3_uri, s3 = aws.upload(checkpoint, "short-lived"), aws.client("s3")
    aws.import_model(s3_uri, "capitals")
    for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="short-lived/")["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    assert aws.client("bedrock").get_imported_model(modelIdentifier="capitals")["modelArchitecture"] == "mistral"


def test_a_job_name_is_taken_for_ever_also_by_a_failed_job(aws: Aws, s3_uri: str) -> None:
    aws.script("fail-next-import")
    assert aws.finished_job(aws.create_job(s3_uri, "capitals"))["status"] == "Failed"
    error = refused(aws, s3_uri, "capitals")
    assert error_code(error) == "ValidationException"
    assert "The provided job name is currently in use." in str(error)


def test_the_model_name_of_a_failed_job_is_free_and_that_of_a_model_is_not(aws: Aws, s3_uri: str) -> None:
    aws.script("fail-next-import")
    aws.finished_job(aws.create_job(s3_uri, "capitals"))
    aws.import_model(s3_uri, "capitals", jobName="second")
    assert error_code(refused(aws, s3_uri, "capitals", jobName="third")) == "ValidationException"


def test_names_are_unique_per_region_only(aws: Aws, s3_uri: str) -> None:
    aws.import_model(s3_uri, "capitals")
    other = aws.create_role("other-region", trust={"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"})
    job = aws.create_job(s3_uri, "capitals", region="us-west-2", roleArn=other)
    assert ":us-west-2:" in job
    message = aws.finished_job(job, region="us-west-2")["failureMessage"]
    assert "us-east-1" in message  # the bucket's region, which is not the job's
    assert "us-west-2" in message


def test_a_repeated_token_answers_the_first_job_and_starts_nothing(aws: Aws, s3_uri: str) -> None:
    first = aws.create_job(s3_uri, "capitals", clientRequestToken="token-1")
    assert aws.create_job(s3_uri, "capitals", clientRequestToken="token-1") == first
    aws.finished_job(first)
    assert aws.create_job(s3_uri, "capitals", clientRequestToken="token-1") == first
    assert len(aws.client("bedrock").list_model_import_jobs()["modelImportJobSummaries"]) == 1


def test_a_repeated_token_with_other_parameters_is_a_conflict(aws: Aws, s3_uri: str) -> None:
    aws.create_job(s3_uri, "capitals", clientRequestToken="token-1")
    assert error_code(refused(aws, s3_uri, "rivers", clientRequestToken="token-1")) == "ConflictException"


def test_one_job_runs_at_a_time(aws: Aws, s3_uri: str) -> None:
    aws.script("hold-imports")
    aws.create_job(s3_uri, "first")
    assert error_code(refused(aws, s3_uri, "second")) == "ServiceQuotaExceededException"


def test_of_jobs_created_at_the_same_moment_one_is_taken(aws: Aws, s3_uri: str) -> None:
    aws.script("hold-imports")
    codes: list[str] = []

    def create(number: int) -> None:
        try:
            aws.create_job(s3_uri, f"job-{number}")
        except ClientError as error:
            codes.append(error_code(error))

    threads = [threading.Thread(target=create, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["ServiceQuotaExceededException"] * 5


def test_three_models_may_exist(aws: Aws, s3_uri: str) -> None:
    for number in range(3):
        aws.import_model(s3_uri, f"model-{number}")
    assert error_code(refused(aws, s3_uri, "model-3")) == "ServiceQuotaExceededException"
    aws.client("bedrock").delete_imported_model(modelIdentifier="model-0")
    aws.import_model(s3_uri, "model-3")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"jobName": "under_score"}, "ValidationException"),
        ({"jobName": "x" * 64}, "ValidationException"),
        ({"importedModelName": "mistral-7b-v0.3"}, "ValidationException"),
        ({"importedModelName": "double--dash"}, "ValidationException"),
        ({"roleArn": "arn:aws:iam::123456789012:user/me"}, "ValidationException"),
        ({"roleArn": "arn:aws:iam::123456789012:role/nobody"}, "ValidationException"),
        ({"roleArn": "arn:aws:iam::210987654321:role/foreign"}, "AccessDeniedException"),
        ({"modelDataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/a=b/"}}}, "ValidationException"),
        ({"modelDataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}//x"}}}, "ValidationException"),
        ({"clientRequestToken": "manual__2026-11-22T00:00:00+00:00"}, "ValidationException"),
        ({"jobTags": [{"key": "k", "value": "ü"}]}, "ValidationException"),
        ({"jobTags": [{"key": f"k{n}", "value": "v"} for n in range(51)]}, "TooManyTagsException"),
        ({"importedModelTags": [{"key": f"k{n}", "value": "v"} for n in range(51)]}, "TooManyTagsException"),
        ({"importedModelKmsKeyId": "alias/nothing"}, "ValidationException"),
        ({"vpcConfig": {"subnetIds": ["s"], "securityGroupIds": ["g"] * 6}}, "ValidationException"),
    ],
)
def test_an_invalid_job_is_refused_and_leaves_nothing(
    aws: Aws, s3_uri: str, changes: dict[str, Any], code: str
) -> None:
    assert error_code(refused(aws, s3_uri, "capitals", **changes)) == code
    assert aws.client("bedrock").list_model_import_jobs()["modelImportJobSummaries"] == []


def test_a_region_without_custom_model_import_refuses(aws: Aws, s3_uri: str) -> None:
    assert error_code(refused(aws, s3_uri, "capitals", region="eu-west-1")) == "ValidationException"


def test_jobs_are_listed_in_pages_and_by_filter(aws: Aws, s3_uri: str) -> None:
    bedrock = aws.client("bedrock")
    for number in range(5):
        if number % 2:
            aws.script("fail-next-import")
        aws.finished_job(aws.create_job(s3_uri, f"job-{number}", importedModelName=f"model-{number}"))
    pages = bedrock.get_paginator("list_model_import_jobs").paginate(PaginationConfig={"PageSize": 2})
    jobs = [[job["jobName"] for job in page["modelImportJobSummaries"]] for page in pages]
    assert jobs == [["job-4", "job-3"], ["job-2", "job-1"], ["job-0"]]

    def names(**filters: Any) -> list[str]:
        return [job["jobName"] for job in bedrock.list_model_import_jobs(**filters)["modelImportJobSummaries"]]

    assert names(statusEquals="Failed") == ["job-3", "job-1"]
    assert names(nameContains="4") == ["job-4"]
    assert names(sortBy="CreationTime", sortOrder="Ascending", maxResults=2) == ["job-0", "job-1"]
    second = bedrock.get_model_import_job(jobIdentifier="job-1")["creationTime"]
    assert names(creationTimeAfter=second) == ["job-4", "job-3", "job-2"]
    assert names(creationTimeBefore=second) == ["job-0"]


def test_models_are_listed_in_pages(aws: Aws, s3_uri: str) -> None:
    for number in range(3):
        aws.import_model(s3_uri, f"model-{number}")
    pages = aws.client("bedrock").get_paginator("list_imported_models").paginate(PaginationConfig={"PageSize": 2})
    models = [[model["modelName"] for model in page["modelSummaries"]] for page in pages]
    assert models == [["model-2", "model-1"], ["model-0"]]


def test_an_unknown_job_or_token_is_refused(aws: Aws) -> None:
    bedrock = aws.client("bedrock")
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.get_model_import_job(jobIdentifier="nothing")
    with pytest.raises(bedrock.exceptions.ValidationException):
        bedrock.list_model_import_jobs(nextToken="made-up")


def test_tags_of_jobs_and_models_can_be_read_changed_and_removed(aws: Aws, s3_uri: str) -> None:
    bedrock = aws.client("bedrock")
    job_tags, model_tags = [{"key": "run", "value": "7"}], [{"key": "fingerprint", "value": "abc"}]
    job = aws.create_job(s3_uri, "capitals", jobTags=job_tags, importedModelTags=model_tags)
    model = aws.finished_job(job)["importedModelArn"]
    assert bedrock.list_tags_for_resource(resourceARN=job)["tags"] == job_tags
    assert bedrock.list_tags_for_resource(resourceARN=model)["tags"] == model_tags
    bedrock.tag_resource(
        resourceARN=model, tags=[{"key": "fingerprint", "value": "new"}, {"key": "team", "value": "a"}]
    )
    bedrock.untag_resource(resourceARN=model, tagKeys=["team"])
    assert bedrock.list_tags_for_resource(resourceARN=model)["tags"] == [{"key": "fingerprint", "value": "new"}]
    with pytest.raises(bedrock.exceptions.TooManyTagsException):
        bedrock.tag_resource(resourceARN=model, tags=[{"key": f"k{n}", "value": ""} for n in range(50)])


def test_tags_of_what_does_not_exist_are_not_found(aws: Aws) -> None:
    bedrock = aws.client("bedrock")
    nothing = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:imported-model/abcdefghijkl"
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.list_tags_for_resource(resourceARN=nothing)


def test_the_kms_key_of_the_model_is_shown_as_an_arn(aws: Aws, s3_uri: str) -> None:
    key = aws.client("kms").create_key()["KeyMetadata"]
    aws.import_model(s3_uri, "capitals", importedModelKmsKeyId=key["KeyId"])
    assert aws.client("bedrock").get_imported_model(modelIdentifier="capitals")["modelKmsKeyArn"] == key["Arn"]


def test_an_operation_that_is_not_emulated_says_so_by_name(aws: Aws) -> None:
    with pytest.raises(ClientError, match="CreateGuardrail") as caught:
        aws.client("bedrock").create_guardrail(name="g", blockedInputMessaging="no", blockedOutputsMessaging="no")
    assert error_code(caught.value) == "NotImplemented"
