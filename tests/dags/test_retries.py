from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_versions import RetryAction
from include.aws.errors import S3RequestError
from include.errors import ModelImportError
from include.evaluation.errors import ModelInvocationError, ModelUnavailableError
from include.preflight.findings import Finding, PreflightFailedError, raise_on_errors
from include.retention.retiring import RetirementFailedError
from include.sources.errors import SageMakerSourceError
from model_import_dag.loader import load_dags

TASKS = load_dags()["import_model"].tasks


def aws_error(code: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetRole")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def preflight_error(*findings: Finding) -> PreflightFailedError:
    with pytest.raises(PreflightFailedError) as caught:
        raise_on_errors(findings)
    return caught.value


WRONG = Finding("error", "bucket", "b", "there is no such bucket")
UNANSWERED = Finding("error", "role", "r", "throttled", "", aws_error("Throttling"))

RETRIED = {
    "a gateway's answer": caused(ModelInvocationError("arn", 1, "502"), aws_error("502", 502)),
    "expired credentials": caused(ModelInvocationError("arn", 1, "expired"), aws_error("ExpiredTokenException", 403)),
    "a throttled source": caused(SageMakerSourceError("model", "m", "slow"), aws_error("ThrottlingException")),
    "a throttled deletion": caused(RetirementFailedError({"m": "slow"}), aws_error("ThrottlingException")),
    "checks without an answer": preflight_error(UNANSWERED),
    "a cold model": ModelUnavailableError("arn", 1, 600, "cold"),
    "S3": S3RequestError("s3://b/k", "put_object", "SlowDown", "slow", ""),
}
FINAL = {
    "a missing permission": caused(ModelInvocationError("arn", 1, "no"), aws_error("AccessDeniedException", 403)),
    "a misconfiguration": preflight_error(WRONG),
    "a misconfiguration beside a throttled check": preflight_error(UNANSWERED, WRONG),
    "an error of ours": ModelImportError("wrong"),
}


@pytest.mark.parametrize("error", RETRIED.values(), ids=RETRIED)
def test_every_task_is_tried_again_after_a_fault_that_passes(error: Exception) -> None:
    assert {task.retry_policy.evaluate(error, 1, 2).action for task in TASKS} == {RetryAction.RETRY}


@pytest.mark.parametrize("error", FINAL.values(), ids=FINAL)
def test_no_task_is_tried_again_after_an_error_that_would_come_back(error: Exception) -> None:
    assert {task.retry_policy.evaluate(error, 1, 2).action for task in TASKS} == {RetryAction.FAIL}


def test_an_unknown_error_has_the_usual_retries() -> None:
    assert {task.retry_policy.evaluate(ValueError(), 1, 2).action for task in TASKS} == {RetryAction.DEFAULT}
