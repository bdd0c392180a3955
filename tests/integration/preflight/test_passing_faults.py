"""AWS throttles, or is out, while preflight asks: what passes by itself is no misconfiguration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from include.aws.transient import transient_cause
from include.preflight.checks import preflight
from include.preflight.findings import PreflightFailedError, PreflightUnansweredError
from include.run.workspace import Workspace
from tests.support.account import Account
from tests.support.bedrock_stand_in import Aws

XML = "<ErrorResponse><Error><Type>Sender</Type><Code>{0}</Code><Message>no</Message></Error></ErrorResponse>"
S3 = "<Error><Code>{0}</Code><Message>no</Message></Error>"
JSON = '{{"__type": "{0}", "message": "no"}}'


class Body:
    """The body of an answer as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self) -> Iterator[bytes]:
        yield self.content

    def read(self, *_: object) -> bytes:
        return self.content


@contextmanager
def answering(client: Any, operation: str, status: int, body: str, after: int = 0) -> Iterator[None]:
    """Answer the operation with an error in AWS's place, from call number ``after`` on."""
    calls: list[str] = []

    def send(request: Any, **_: Any) -> AWSResponse | None:
        calls.append(request.url)
        return AWSResponse(request.url, status, {}, Body(body.encode())) if len(calls) > after else None

    event = f"before-send.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.register(event, send)
    try:
        yield
    finally:
        client.meta.events.unregister(event, send)


def fail(account: Account) -> PreflightFailedError:
    with pytest.raises(PreflightFailedError) as caught:
        preflight(account.config, account.clients(), Workspace(str(account.workspace)), account.tags)
    return caught.value


@pytest.mark.parametrize(
    ("service", "operation", "status", "body", "check"),
    [
        ("iam", "SimulatePrincipalPolicy", 400, XML.format("Throttling"), "role permissions"),
        ("iam", "SimulateCustomPolicy", 500, "<html>", "trust policy"),
        ("sts", "GetCallerIdentity", 503, XML.format("ServiceUnavailable"), "credentials"),
        ("sts", "GetCallerIdentity", 403, XML.format("ExpiredToken"), "credentials"),
        ("s3", "GetBucketPolicy", 503, S3.format("SlowDown"), "resource policies"),
        ("s3", "GetBucketEncryption", 502, "<html>", "bucket encryption"),
    ],
)
def test_a_fault_that_passes_has_preflight_tried_again(
    account: Account, service: str, operation: str, status: int, body: str, check: str
) -> None:
    client = getattr(account.clients(), service)
    with answering(client, operation, status, body):
        error = fail(account)
    assert isinstance(error, PreflightUnansweredError)
    assert check in {finding.check for finding in error.findings}
    assert transient_cause(error) is not None
    assert account.errors() == ()


def test_a_bucket_that_s3_does_not_answer_about_is_not_called_somebody_elses(account: Account) -> None:
    with answering(account.clients().s3, "HeadBucket", 503, "", after=1):
        error = fail(account)
    assert isinstance(error, PreflightUnansweredError)
    assert "belong" not in str(error)


def test_a_throttled_evaluation_set_and_source_are_asked_again(account: Account) -> None:
    account.values["evaluation"]["dataset"] = f"s3://{account.bucket}/set.jsonl"
    account.values["base"] = "sagemaker:training-job/trained"
    clients = account.clients()
    with (
        answering(clients.s3, "GetObject", 503, S3.format("SlowDown")),
        answering(clients.sagemaker, "DescribeTrainingJob", 400, JSON.format("ThrottlingException")),
    ):
        error = fail(account)
    assert isinstance(error, PreflightUnansweredError)
    assert {"evaluation", "base model"} <= {finding.check for finding in error.findings}


def test_a_misconfiguration_is_told_at_once_although_another_check_was_throttled(account: Account) -> None:
    account.values["account"]["role_arn"] = account.values["account"]["role_arn"] + "-missing"
    with answering(account.clients().s3, "GetBucketEncryption", 503, S3.format("SlowDown")):
        error = fail(account)
    assert not isinstance(error, PreflightUnansweredError)
    assert transient_cause(error) is None
    assert {"import role", "bucket encryption"} <= {finding.check for finding in error.findings}


def test_a_throttled_quota_is_not_taken_for_the_default(account: Account) -> None:
    with answering(account.clients().service_quotas, "GetServiceQuota", 400, JSON.format("ThrottlingException")):
        [finding] = account.errors()
    assert finding.check == "imported models"
    assert finding.cause is not None


def test_credentials_that_expire_amid_preflight_are_renewed_by_the_next_try(account: Account) -> None:
    aws = Aws(account.endpoint)
    aws.script("fail-calls", operation="ListModelImportJobs", code="ExpiredTokenException")
    [finding] = account.errors()
    assert (finding.check, finding.cause is not None) == ("imported models", True)
