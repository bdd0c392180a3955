"""Web pages cannot use the stand-in, whatever name they call it by."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
import requests

from tests.support.local_aws_process import OWN_HEADERS, LocalAwsProcess

PATHS = ["/", "/bucket/key", "/_local_aws/health", "/_local_aws/access?caller=a", "/model-import-jobs"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:8080", "null"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_request_of_a_web_page_is_refused(local_aws: LocalAwsProcess, method: str, origin: str, path: str) -> None:
    headers = OWN_HEADERS | {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    answer = requests.request(method, local_aws.endpoint_url + path, headers=headers, timeout=10)
    assert answer.status_code == 403
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""]
)
def test_a_name_that_only_leads_here_is_refused(local_aws: LocalAwsProcess, host: str, path: str) -> None:
    answer = requests.get(local_aws.endpoint_url + path, headers=OWN_HEADERS | {"Host": host}, timeout=10)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "localhost:80", "[::1]:80", "local-aws:5556", "b.localhost"]
)
def test_loopback_and_the_name_in_compose_are_answered(local_aws: LocalAwsProcess, host: str) -> None:
    answer = requests.get(f"{local_aws.endpoint_url}/_local_aws/health", headers={"Host": host}, timeout=10)
    assert answer.json() == {"status": "ok"}


@pytest.mark.parametrize(
    "path", ["/moto-api/", "/moto-api/reset", "/moto-api/data.json", "/moto-api/recorder/start-recording"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_motos_own_api_is_not_offered(local_aws: LocalAwsProcess, method: str, path: str) -> None:
    assert requests.request(method, local_aws.endpoint_url + path, timeout=10).status_code == 403


@pytest.mark.parametrize("path", ["access?caller=a", "bedrock/hold-imports", "bedrock/release-imports"])
def test_its_own_paths_need_a_header_that_a_form_cannot_send(local_aws: LocalAwsProcess, path: str) -> None:
    url = f"{local_aws.endpoint_url}/_local_aws/{path}"
    assert requests.post(url, data="{}", timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 403


def test_boto3_is_answered(local_aws: LocalAwsProcess) -> None:
    keys: dict[str, Any] = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    s3 = boto3.client("s3", endpoint_url=local_aws.endpoint_url, region_name="us-east-1", **keys)
    assert s3.list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200
