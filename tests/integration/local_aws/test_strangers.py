"""Clients that the stand-in does not serve get an error that they show to their user."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from tests.support.local_aws_process import LocalAwsProcess

Client = Any
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
END_OF_HEADERS_AND_STREAM = 5


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def read_frames(connection: socket.socket, wanted: int) -> list[tuple[int, int, bytes]]:
    file, found = connection.makefile("rb"), []
    for _ in range(wanted):
        header = file.read(9)
        length = int.from_bytes(header[:3], "big")
        found.append((header[3], int.from_bytes(header[5:], "big"), file.read(length)))
    return found


def test_a_client_of_http_2_learns_from_an_answer_to_its_request_what_to_change(local_aws: LocalAwsProcess) -> None:
    with socket.create_connection(("127.0.0.1", local_aws.port), 10) as connection:
        post = b"\x83\x86\x84"  # :method POST, :scheme http, :path / of HPACK's static table
        connection.sendall(PREFACE + frame(4, 0, 0) + frame(1, END_OF_HEADERS_AND_STREAM, 1, post))
        settings, acknowledged, headers, data = read_frames(connection, 4)
        connection.sendall(frame(1, END_OF_HEADERS_AND_STREAM, 3, post))
        again = read_frames(connection, 2)
    assert (settings[:2], acknowledged[:2]) == ((4, 0), (4, 0))
    assert headers[:2] == (1, 1)
    assert headers[2].startswith(b"\x8c")  # :status 400
    assert "NodeHttpHandler" in json.loads(data[2])["message"]
    assert [stream for _, stream, _ in again] == [3, 3]


def test_a_client_of_tls_is_told_that_this_is_http(local_aws: LocalAwsProcess) -> None:
    hello = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with socket.create_connection(("127.0.0.1", local_aws.port), 10) as connection:
        connection.sendall(hello.read())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"write http:// before the endpoint" in answer


def test_a_bedrock_api_key_is_refused_with_what_to_do_instead(local_aws: LocalAwsProcess) -> None:
    url = f"{local_aws.endpoint_url}/model/any/invoke"
    answer = requests.post(url, data="{}", headers={"Authorization": "Bearer bedrock-api-key-x"}, timeout=10)
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    assert "AWS_BEARER_TOKEN_BEDROCK" in answer.json()["message"]


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("bedrock-agent", "list_agents", {}),
        ("bedrock-agent-runtime", "list_sessions", {}),
        ("bedrock-data-automation", "list_blueprints", {}),
        ("bedrock-agentcore", "list_ab_tests", {}),
        ("bedrock", "list_guardrails", {}),
        ("bedrock", "list_prompt_routers", {}),
        ("lambda", "get_account_settings", {}),
        ("s3outposts", "list_endpoints", {}),
        ("pricing", "describe_services", {}),
        ("route53", "list_cidr_collections", {}),
    ],
)
def test_what_is_not_emulated_says_so_in_a_form_that_boto3_reads(
    client: Callable[[str], Client], service: str, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="not emulate") as raised:
        getattr(client(service), operation)(**arguments)
    assert raised.value.response["Error"]["Code"] == "NotImplemented"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_the_quotas_of_imports_can_be_read(client: Callable[[str], Client]) -> None:
    quotas = client("service-quotas")
    read = {
        code: quotas.get_service_quota(ServiceCode="bedrock", QuotaCode=code)["Quota"]
        for code in ("L-45B04988", "L-5F098EFA")
    }
    assert [(quota["Value"], quota["Adjustable"]) for quota in read.values()] == [(3.0, True), (1.0, False)]


def test_a_presigned_url_uploads_and_downloads(client: Callable[[str], Client], bucket: str) -> None:
    s3 = client("s3")
    place = {"Bucket": bucket, "Key": "a b/ü.txt"}
    assert requests.put(s3.generate_presigned_url("put_object", place), data=b"hello", timeout=10).ok
    assert requests.get(s3.generate_presigned_url("get_object", place), timeout=10).content == b"hello"


def test_botocores_waiters_and_paginators_come_to_an_end(client: Callable[[str], Client], bucket: str) -> None:
    s3 = client("s3")
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"part/{number}", Body=b"x")
    s3.get_waiter("object_exists").wait(Bucket=bucket, Key="part/4")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [len(page["Contents"]) for page in pages] == [2, 2, 1]
    jobs = client("bedrock").get_paginator("list_model_import_jobs").paginate()
    assert jobs.build_full_result()["modelImportJobSummaries"] == []
