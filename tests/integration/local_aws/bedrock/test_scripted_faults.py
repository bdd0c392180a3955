"""The faults that a test can script, as a client of AWS sees them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.support.bedrock_stand_in import ACCOUNT, Aws, error_code, when_ready
from tests.support.local_aws_process import OWN_HEADERS

RETRYING = Config(retries={"total_max_attempts": 3, "mode": "standard"})


@pytest.fixture(autouse=True)
def _fresh(aws: Aws) -> Iterator[None]:
    aws.script("reset")
    yield
    aws.script("reset")


@pytest.fixture
def cold_model(aws: Aws, s3_uri: str) -> str:
    return aws.import_model(s3_uri, "capitals")


def invoke(aws: Aws, model_id: str, **body: Any) -> str:
    answer = aws.client("bedrock-runtime").invoke_model(modelId=model_id, body=json.dumps({"prompt": "a"} | body))
    return str(json.loads(answer["body"].read())["generation"])


def code_of(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return error_code(caught.value)


def test_the_next_import_fails_with_the_scripted_message(aws: Aws, s3_uri: str) -> None:
    aws.script("fail-next-import", message="out of GPUs")
    failed = aws.finished_job(aws.create_job(s3_uri, "first"))
    assert (failed["status"], failed["failureMessage"]) == ("Failed", "out of GPUs")
    assert aws.finished_job(aws.create_job(s3_uri, "second"))["status"] == "Completed"


def test_imports_stay_in_progress_until_they_are_released(aws: Aws, s3_uri: str) -> None:
    aws.script("hold-imports")
    job = aws.create_job(s3_uri, "capitals")
    time.sleep(1)
    assert aws.client("bedrock").get_model_import_job(jobIdentifier=job)["status"] == "InProgress"
    aws.script("release-imports")
    assert aws.finished_job(job)["status"] == "Completed"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 429),
        ("InternalServerException", 500),
        ("ServiceUnavailableException", 503),
        ("AccessDeniedException", 403),
    ],
)
def test_the_next_calls_of_an_operation_fail_with_an_error(aws: Aws, code: str, status: int) -> None:
    bedrock = aws.client("bedrock")
    aws.script("fail-calls", calls=2, operation="ListImportedModels", code=code)
    bedrock.list_model_import_jobs()
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            bedrock.list_imported_models()
        assert error_code(caught.value) == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    bedrock.list_imported_models()


def test_a_connection_that_drops_before_the_call_leaves_nothing_done(aws: Aws, s3_uri: str) -> None:
    aws.script("fail-calls", operation="CreateModelImportJob", connection="drop_before")
    with pytest.raises(ConnectionClosedError):
        aws.create_job(s3_uri, "capitals")
    assert aws.client("bedrock").list_model_import_jobs()["modelImportJobSummaries"] == []


def test_a_lost_answer_leaves_a_job_that_the_token_finds_again(aws: Aws, s3_uri: str) -> None:
    aws.script("fail-calls", operation="CreateModelImportJob", connection="drop_after")
    answer = aws.client("bedrock", config=RETRYING).create_model_import_job(
        jobName="capitals",
        importedModelName="capitals",
        roleArn=aws.role_arn,
        modelDataSource={"s3DataSource": {"s3Uri": s3_uri}},
        clientRequestToken="once",
    )
    jobs = aws.client("bedrock").list_model_import_jobs()["modelImportJobSummaries"]
    assert [job["jobArn"] for job in jobs] == [answer["jobArn"]]
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


def test_a_model_is_cold_after_its_import_and_then_answers(aws: Aws, cold_model: str) -> None:
    assert code_of(lambda: invoke(aws, cold_model)) == "ModelNotReadyException"
    assert when_ready(lambda: invoke(aws, cold_model, max_gen_len=3, temperature=0))
    invoke(aws, cold_model, max_gen_len=1)


def test_models_can_be_kept_cold_for_a_time(aws: Aws, cold_model: str) -> None:
    when_ready(lambda: invoke(aws, cold_model, max_gen_len=1))
    aws.script("cold", seconds=0.7)
    started = time.monotonic()
    assert code_of(lambda: invoke(aws, cold_model)) == "ModelNotReadyException"
    when_ready(lambda: invoke(aws, cold_model, max_gen_len=1))
    assert time.monotonic() - started > 0.6


def test_a_fixed_answer_takes_the_scripted_time_and_needs_no_warm_model(aws: Aws, cold_model: str) -> None:
    aws.script("fixed-answer", text="Paris is it", latency_seconds=0.3)
    took = []
    for _ in range(3):  # something else may use the processor during one of them
        started = time.monotonic()
        assert invoke(aws, cold_model) == "Paris is it"
        took.append(time.monotonic() - started)
    assert 0.3 <= min(took) < 2
    aws.script("fixed-answer")
    assert code_of(lambda: invoke(aws, cold_model)) == "ModelNotReadyException"


def test_an_unknown_fault_is_refused(aws: Aws) -> None:
    answer = requests.post(f"{aws.endpoint}/_local_aws/bedrock/nonsense", json={}, headers=OWN_HEADERS, timeout=10)
    assert answer.status_code == 400
    assert "fail-next-import" in answer.json()["message"]


def test_reset_forgets_jobs_models_and_faults(aws: Aws, cold_model: str) -> None:
    aws.script("fail-calls", calls=9)
    aws.script("reset")
    bedrock = aws.client("bedrock")
    assert bedrock.list_imported_models()["modelSummaries"] == []
    assert bedrock.list_model_import_jobs()["modelImportJobSummaries"] == []


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
def test_an_unknown_job_or_model_is_answered_with_the_code_that_is_scripted(aws: Aws, code: str) -> None:
    bedrock, runtime = aws.client("bedrock"), aws.client("bedrock-runtime")
    arn = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:imported-model/abcdefghijkl"
    aws.script("unknown-resource", code=code)
    assert code_of(lambda: bedrock.get_model_import_job(jobIdentifier="none")) == code
    assert code_of(lambda: bedrock.get_imported_model(modelIdentifier="none")) == code
    assert code_of(lambda: bedrock.delete_imported_model(modelIdentifier="none")) == code
    assert code_of(lambda: runtime.invoke_model(modelId=arn, body="{}")) == code
    aws.script("clear-faults")
    assert code_of(lambda: bedrock.get_imported_model(modelIdentifier="none")) == "ResourceNotFoundException"


def test_converse_refuses_models_when_that_is_scripted_and_invoke_model_goes_on(aws: Aws, cold_model: str) -> None:
    when_ready(lambda: aws.converse(cold_model, inferenceConfig={"maxTokens": 1}))
    aws.script("refuse-converse", models=["capitals"])
    assert code_of(lambda: aws.converse(cold_model)) == "ValidationException"
    assert aws.client("bedrock").get_imported_model(modelIdentifier="capitals")["instructSupported"]
    assert aws.invoke(cold_model, prompt="a", max_gen_len=1)["generation_token_count"] == 1
    aws.script("refuse-converse", models=[])
    assert aws.converse(cold_model, inferenceConfig={"maxTokens": 1})["stopReason"] == "max_tokens"


def test_every_call_of_a_model_is_counted_in_cloudwatch_by_how_it_ended(aws: Aws, cold_model: str) -> None:
    other = cold_model[:-12] + "abcdefghijkl"
    aws.script("fixed-answer", text="Lima")
    for code in ("ThrottlingException", "ServiceUnavailableException", "ValidationException", "ModelErrorException"):
        aws.script("fail-calls", operation="InvokeModel", model=cold_model, code=code)
    assert code_of(lambda: aws.invoke(other, prompt="a", max_tokens=1)) == "ResourceNotFoundException"
    for _ in range(4):
        code_of(lambda: aws.invoke(cold_model, prompt="a", max_tokens=1))
    for _ in range(2):
        aws.invoke(cold_model, prompt="a", max_tokens=1)
    counted = {
        "Invocations": 2, "InvocationThrottles": 1, "InvocationServerErrors": 1, "InvocationClientErrors": 2
    }  # fmt: skip
    assert {name: counts(aws, cold_model, name) for name in counted} == counted
    assert counts(aws, other, "InvocationClientErrors") >= 1


def counts(aws: Aws, model: str, name: str) -> float:
    """The sum of a metric, over the minutes in which this test may have run."""
    now = datetime.now(UTC)
    found = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Bedrock",
        MetricName=name,
        Dimensions=[{"Name": "ModelId", "Value": model}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in found["Datapoints"]))
