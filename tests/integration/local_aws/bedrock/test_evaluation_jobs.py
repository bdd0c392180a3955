"""Evaluation jobs of the stand-in: what it takes and refuses, its states, and what it writes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.bedrock_stand_in import ACCOUNT, BUCKET, REGION, Aws, error_code
from tests.support.evaluation_jobs import EVALUATOR, create_evaluation_role, ended

METRICS = ["Builtin.Correctness", "Builtin.Helpfulness"]


@pytest.fixture
def role(aws: Aws) -> Iterator[str]:
    aws.script("judge", model=EVALUATOR)
    yield create_evaluation_role(aws, f"evaluation-{uuid.uuid4().hex[:8]}")
    aws.script("clear-faults")


def lines(count: int = 2, **changes: Any) -> list[dict[str, Any]]:
    return [
        {
            "prompt": f"question {n}",
            "referenceResponse": "Lima",
            "modelResponses": [{"response": "Lima", "modelIdentifier": "model-1"}],
        }
        | changes
        for n in range(count)
    ]


def request(aws: Aws, role: str, records: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """The request for a job about these records, which are stored in S3."""
    name = f"job-{uuid.uuid4().hex[:8]}"
    body = "".join(f"{json.dumps(record)}\n" for record in (lines() if records is None else records))
    aws.client("s3").put_object(Bucket=BUCKET, Key=f"evaluations/{name}.jsonl", Body=body.encode())
    data_set = {"name": "main", "datasetLocation": {"s3Uri": f"s3://{BUCKET}/evaluations/{name}.jsonl"}}
    automated = {
        "datasetMetricConfigs": [{"taskType": "General", "dataset": data_set, "metricNames": METRICS}],
        "evaluatorModelConfig": {"bedrockEvaluatorModels": [{"modelIdentifier": EVALUATOR}]},
    }
    return {
        "jobName": name,
        "roleArn": role,
        "applicationType": "ModelEvaluation",
        "evaluationConfig": {"automated": automated},
        "inferenceConfig": {"models": [{"precomputedInferenceSource": {"inferenceSourceIdentifier": "model-1"}}]},
        "outputDataConfig": {"s3Uri": f"s3://{BUCKET}/evaluations/output/"},
    } | changes


def written(aws: Aws, name: str) -> list[dict[str, Any]]:
    s3 = aws.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"evaluations/output/{name}/")["Contents"]
    [key] = [item["Key"] for item in found if item["Key"].endswith("_output.jsonl")]
    assert "/models/model-1/taskTypes/General/datasets/main/" in key
    return [json.loads(line) for line in s3.get_object(Bucket=BUCKET, Key=key)["Body"].iter_lines()]


def test_a_job_scores_each_answer_as_scripted_and_writes_a_line_about_it(aws: Aws, role: str) -> None:
    aws.script(
        "evaluation-scores", scores={METRICS[0]: 0.5}, by_prompt={"question 1": {METRICS[0]: None, METRICS[1]: 0.25}}
    )
    bedrock, asked = aws.client("bedrock"), request(aws, role)
    arn = bedrock.create_evaluation_job(**asked)["jobArn"]
    assert bedrock.get_evaluation_job(jobIdentifier=arn)["status"] == "InProgress"
    job = ended(aws, arn)
    assert (job["status"], job["jobType"], "failureMessages" in job) == ("Completed", "Automated", False)
    assert job["evaluationConfig"] == asked["evaluationConfig"]
    found = written(aws, asked["jobName"])
    assert [line["inputRecord"] for line in found] == lines()
    scores = [[one["result"] for one in line["automatedEvaluationResult"]["scores"]] for line in found]
    assert scores == [[0.5, 1.0], [None, 0.25]]


def test_a_repeated_token_gives_the_first_job_and_a_repeated_name_is_a_conflict(aws: Aws, role: str) -> None:
    bedrock, asked = aws.client("bedrock"), request(aws, role, clientRequestToken="once")
    arn = bedrock.create_evaluation_job(**asked)["jobArn"]
    assert bedrock.create_evaluation_job(**asked)["jobArn"] == arn
    with pytest.raises(ClientError) as refused:
        bedrock.create_evaluation_job(**asked | {"clientRequestToken": "twice"})
    assert error_code(refused.value) == "ConflictException"


def test_jobs_are_listed_in_pages_of_at_most_five_by_name(aws: Aws, role: str) -> None:
    bedrock, stem = aws.client("bedrock"), f"many-{uuid.uuid4().hex[:6]}"
    names = {bedrock.create_evaluation_job(**request(aws, role, jobName=f"{stem}-{n}"))["jobArn"] for n in range(6)}
    first = bedrock.list_evaluation_jobs(nameContains=stem, maxResults=100)
    assert len(first["jobSummaries"]) == 5
    pages = bedrock.get_paginator("list_evaluation_jobs").paginate(nameContains=stem)
    found = [job for page in pages for job in page["jobSummaries"]]
    assert {job["jobArn"] for job in found} == names
    assert found[0]["evaluationTaskTypes"] == ["General"]


def test_a_running_job_can_be_stopped_once(aws: Aws, role: str) -> None:
    aws.script("hold-evaluations")
    bedrock = aws.client("bedrock")
    arn = bedrock.create_evaluation_job(**request(aws, role))["jobArn"]
    bedrock.stop_evaluation_job(jobIdentifier=arn)
    assert ended(aws, arn)["status"] == "Stopped"
    with pytest.raises(ClientError) as refused:
        bedrock.stop_evaluation_job(jobIdentifier=arn)
    assert error_code(refused.value) == "ConflictException"


def test_a_job_can_be_made_to_fail_with_messages(aws: Aws, role: str) -> None:
    aws.script("fail-next-evaluation", messages=["no capacity", "come again"])
    job = ended(aws, aws.client("bedrock").create_evaluation_job(**request(aws, role))["jobArn"])
    assert (job["status"], job["failureMessages"]) == ("Failed", ["no capacity", "come again"])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "0 prompts"),
        (lines(1001), "1001 prompts"),
        (lines(1, modelResponses=[]), "Line 1"),
        (lines(1, prompt=7), "no text"),
        (lines(1, modelResponses=[{"response": "x", "modelIdentifier": "other"}]), "modelIdentifier other"),
    ],
)
def test_a_data_set_that_is_not_one_of_the_models_answers_fails_the_job(
    aws: Aws, role: str, records: list[dict[str, Any]], message: str
) -> None:
    job = ended(aws, aws.client("bedrock").create_evaluation_job(**request(aws, role, records))["jobArn"])
    assert job["status"] == "Failed"
    assert message in job["failureMessages"][0]


@pytest.mark.parametrize("missing", ["bedrock:InvokeModel", "s3:GetObject", "s3:PutObject"])
def test_the_role_needs_each_of_its_rights(aws: Aws, role: str, missing: str) -> None:
    short = create_evaluation_role(aws, f"short-{uuid.uuid4().hex[:8]}", without=missing)
    job = ended(aws, aws.client("bedrock").create_evaluation_job(**request(aws, short))["jobArn"])
    assert job["status"] == "Failed"
    assert missing.partition(":")[2] in job["failureMessages"][0]


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("jobName", "Upper", "ValidationException"),
        ("roleArn", f"arn:aws:iam::{ACCOUNT}:role/missing", "ValidationException"),
        ("roleArn", f"arn:aws:iam::{ACCOUNT}:role/import", "ValidationException"),
        ("metricNames", ["Builtin.Beauty"], "ValidationException"),
        ("taskType", "Special", "ValidationException"),
        ("taskType", "Summarization", "NotImplemented"),
        ("modelIdentifier", "example.unknown-v1:0", "ValidationException"),
    ],
)
def test_requests_that_the_service_would_refuse_are_refused(
    aws: Aws, role: str, path: str, value: Any, code: str
) -> None:
    asked = request(aws, role)
    automated = asked["evaluationConfig"]["automated"]
    places = [asked, automated["datasetMetricConfigs"][0], *automated["evaluatorModelConfig"]["bedrockEvaluatorModels"]]
    next(place for place in places if path in place)[path] = value
    with pytest.raises(ClientError) as refused:
        aws.client("bedrock").create_evaluation_job(**asked)
    assert error_code(refused.value) == code


def test_an_unknown_job_is_not_found(aws: Aws) -> None:
    arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:evaluation-job/abcdefghijkl"
    with pytest.raises(ClientError) as refused:
        aws.client("bedrock").get_evaluation_job(jobIdentifier=arn)
    assert error_code(refused.value) == "ResourceNotFoundException"


def test_a_caller_needs_the_right_to_create_to_tag_and_to_pass_the_role(aws: Aws, role: str) -> None:
    iam, name = aws.client("iam"), f"evaluates-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    bedrock = boto3.client(
        "bedrock",
        region_name=REGION,
        endpoint_url=aws.endpoint,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    asked = request(aws, role, jobTags=[{"key": "model_name", "value": "m"}])
    granted: list[dict[str, Any]] = []
    jobs = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:evaluation-job/*"
    for action, resource in (
        ("bedrock:CreateEvaluationJob", "*"),
        ("iam:PassRole", role),
        ("bedrock:TagResource", jobs),
    ):
        with pytest.raises(ClientError, match=action.replace("*", "")):
            bedrock.create_evaluation_job(**asked)
        granted.append({"Effect": "Allow", "Action": action, "Resource": resource})
        policy = json.dumps({"Version": "2012-10-17", "Statement": granted})
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    assert bedrock.create_evaluation_job(**asked)["jobArn"]
