"""The process itself: where it listens, how it says so, how it stops, what it answers to the unknown."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws_process import ROOT, LocalAwsCommand, LocalAwsProcess

Client = Any


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "include.local_aws", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


def test_it_is_healthy_once_it_says_ready(local_aws: LocalAwsProcess) -> None:
    with urllib.request.urlopen(f"{local_aws.endpoint_url}/_local_aws/health") as answer:
        assert json.load(answer) == {"status": "ok"}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])
def test_it_refuses_to_listen_where_others_could_reach_it(host: str) -> None:
    result = run("--host", host)
    assert result.returncode == 2
    assert host in result.stderr
    assert "loopback" in result.stderr
    assert result.stdout == ""


def test_a_taken_port_is_named(local_aws: LocalAwsProcess) -> None:
    result = run("--port", str(local_aws.port))
    assert result.returncode == 2
    assert f"Port {local_aws.port} on 127.0.0.1 is taken" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_seconds_and_leaves_nothing_behind(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with LocalAwsCommand() as process:
        connection = http.client.HTTPConnection("127.0.0.1", process.port)
        connection.request("PUT", "/kept-alive-bucket")
        connection.getresponse().read()
        connection.request("PUT", "/kept-alive-bucket/object", body=b"bytes on disk")
        connection.getresponse().read()
        assert list(tmp_path.rglob("*"))
        started = time.monotonic()
        process.process.send_signal(number)
        assert process.process.wait(10) == 0
        assert time.monotonic() - started < 5
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", process.port))
    assert list(tmp_path.rglob("*")) == []


def test_a_connection_serves_many_requests(local_aws: LocalAwsProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", local_aws.port)
    connection.request("GET", "/_local_aws/health")
    connection.getresponse().read()
    first_socket = connection.sock
    for method, path, body in (
        ("HEAD", "/no-such-bucket", b""),
        ("PUT", "/no-such-bucket/key", b"x" * 100_000),
        ("GET", "/_local_aws/health", b""),
    ):
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        answer.read()
    assert answer.status == 200
    assert connection.sock is first_socket is not None


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("sagemaker", "CreateWorkteam", {"WorkteamName": "w", "MemberDefinitions": [], "Description": "d" * 9}),
        ("iam", "GenerateOrganizationsAccessReport", {"EntityPath": "o-a1b2c3d4e5/r-a1b2"}),
        ("s3", "GetBucketAnalyticsConfiguration", {"Bucket": "bucket", "Id": "id"}),
        ("kms", "ConnectCustomKeyStore", {"CustomKeyStoreId": "cks-1234567890abcdef0"}),
    ],
)
def test_an_operation_that_is_not_emulated_is_refused_by_name(
    client: Callable[[str], Client], service: str, operation: str, arguments: dict[str, Any]
) -> None:
    method = {name: key for key, name in client(service).meta.method_to_api_mapping.items()}[operation]
    with pytest.raises(ClientError) as caught:
        getattr(client(service), method)(**arguments)
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert f"{service}:{operation} is not emulated" in caught.value.response["Error"]["Message"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_service_that_is_not_emulated_is_refused_by_name(client: Callable[[str], Client]) -> None:
    with pytest.raises(ClientError, match="freetier:GetFreeTierUsage is not emulated"):
        client("freetier").get_free_tier_usage()


def test_no_secret_of_a_request_is_printed(tmp_path: Path) -> None:
    errors = tmp_path / "stderr"
    with errors.open("w") as stderr:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "include.local_aws"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for path in ("/?X-Amz-Signature=s3cr3t", "/a/b?torrent&X-Amz-Security-Token=s3cr3t", "/\udcff"):
            connection.request("GET", path.encode("utf-8", "replace").decode(), headers={"Authorization": "s3cr3t"})
            connection.getresponse().read()
        process.terminate()
        remaining = process.communicate(timeout=10)[0]
    assert "s3cr3t" not in errors.read_text() + remaining
