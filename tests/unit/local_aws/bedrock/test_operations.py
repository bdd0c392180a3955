from __future__ import annotations

from typing import Any

import pytest
from botocore.session import get_session

from include.local_aws.bedrock.errors import (
    InvalidRequestError,
    MalformedBodyError,
    OperationNotEmulatedError,
    UnsignedRequestError,
)
from include.local_aws.bedrock.operations import HttpRequest, check_call, read_call
from include.local_aws.bedrock.scope import Scope, scope_of

MODEL = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"


def request(method: str, path: str, body: bytes = b"", **query: str) -> HttpRequest:
    return HttpRequest(method, path, query, {}, body)


def sent_by_botocore(service: str, operation: str, **params: Any) -> HttpRequest:
    """The request that botocore makes of a call."""
    client = get_session().create_client(service, "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    model = client.meta.service_model.operation_model(operation)
    sent = client._convert_to_request_dict(params, model, endpoint_url="http://localhost")
    headers = {name.lower(): str(value) for name, value in sent["headers"].items()}
    body = sent["body"] if isinstance(sent["body"], bytes) else b""
    query = {name: str(value) for name, value in (sent["query_string"] or {}).items()}
    return HttpRequest(sent["method"], sent["url_path"], query, headers, body)


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        (
            "bedrock",
            "CreateModelImportJob",
            {
                "jobName": "job",
                "importedModelName": "model",
                "roleArn": "arn:aws:iam::123456789012:role/r",
                "modelDataSource": {"s3DataSource": {"s3Uri": "s3://bucket/prefix"}},
            },
        ),
        ("bedrock", "GetModelImportJob", {"jobIdentifier": MODEL.replace("imported-model", "model-import-job")}),
        ("bedrock", "GetImportedModel", {"modelIdentifier": MODEL}),
        ("bedrock", "DeleteImportedModel", {"modelIdentifier": "a-name"}),
        ("bedrock", "ListImportedModels", {"nameContains": "x", "maxResults": 7}),
        ("bedrock", "TagResource", {"resourceARN": MODEL, "tags": [{"key": "k", "value": "v"}]}),
        ("bedrock-runtime", "InvokeModel", {"modelId": MODEL, "body": b"{}", "accept": "application/json"}),
        ("bedrock-runtime", "InvokeModelWithResponseStream", {"modelId": MODEL, "body": b"{}"}),
        ("bedrock-runtime", "Converse", {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "x"}]}]}),
    ],
)
def test_a_call_of_botocore_is_read_back_as_it_was_made(service: str, operation: str, params: dict[str, Any]) -> None:
    call = read_call(sent_by_botocore(service, operation, **params))
    assert (call.service, call.operation) == (service, operation)
    assert {name: call.params[name] for name in params} == params
    check_call(call)


def test_a_creation_answers_201() -> None:
    assert read_call(request("POST", "/model-import-jobs", b"{}")).success_status == 201


def test_a_path_of_no_operation_is_refused() -> None:
    with pytest.raises(OperationNotEmulatedError, match="POST /nowhere"):
        read_call(request("POST", "/nowhere"))


@pytest.mark.parametrize("body", [b"{", b"[]", b"7"])
def test_a_body_that_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        read_call(request("POST", "/model-import-jobs", body))


@pytest.mark.parametrize(
    "query",
    [{"maxResults": "0"}, {"maxResults": "many"}, {"statusEquals": "Running"}, {"nameContains": "a_b"}],
)
def test_query_parameters_are_held_to_the_service_model(query: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match="1 validation error"):
        check_call(read_call(request("GET", "/model-import-jobs", **query)))


def test_the_signature_tells_account_and_region() -> None:
    header = "AWS4-HMAC-SHA256 Credential=AKIA1/20261122/eu-central-1/bedrock/aws4_request, SignedHeaders=host"
    assert scope_of(header) == Scope("123456789012", "eu-central-1")


@pytest.mark.parametrize("header", [None, "", "Basic abc", "AWS4-HMAC-SHA256 Credential=AKIA1"])
def test_a_request_without_a_signature_is_refused(header: str | None) -> None:
    with pytest.raises(UnsignedRequestError):
        scope_of(header)
