"""IAM, KMS or Service Quotas cannot be reached: a network without an endpoint for them, or a proxy that refuses."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from include.aws.clients import AwsClients
from include.preflight.checks import preflight, preflight_content
from include.run.inputs import describe_inputs
from include.run.workspace import Workspace
from include.steps.plan_run import source_tags
from tests.support.account import REGION, Account
from tests.support.raw_server import listening

NOTHING_LISTENS = "http://127.0.0.1:9"
ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=2)


@pytest.fixture
def refusing_proxy() -> Iterator[str]:
    """A proxy that opens no tunnel."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with listening(refuse) as port:
        yield f"http://127.0.0.1:{port}"


def clients_without(account: Account, service: str, url: str, config: Config = ONCE) -> AwsClients:
    """The account's clients; the one of this service has another address."""

    def connect(name: str) -> Any:
        keys: dict[str, Any] = account.keys
        there = {"endpoint_url": url, "config": config} if name == service else {"endpoint_url": account.endpoint}
        return boto3.client(name, region_name=REGION, **there, **keys)

    return AwsClients(connect)


def check(account: Account, clients: AwsClients) -> None:
    preflight(account.config, clients, Workspace(str(account.workspace)), account.tags | source_tags(account.config))
    inputs = describe_inputs(account.config, clients.s3, clients.sagemaker)
    name = "capitals-0123456789ab"
    preflight_content(account.config, clients, Workspace(str(account.workspace)), name, inputs, delivered=False)


@pytest.mark.parametrize("service", ["iam", "kms", "service-quotas"])
def test_what_cannot_be_reached_is_not_checked_and_the_run_goes_on(
    service: str, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    if service == "kms":
        account.use_key()
    with caplog.at_level(logging.WARNING):
        check(account, clients_without(account, service, NOTHING_LISTENS))
    assert "not checked" in caplog.text
    assert NOTHING_LISTENS in caplog.text


def test_a_proxy_that_does_not_lead_to_iam_counts_as_no_way(
    account: Account, refusing_proxy: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = ONCE.merge(Config(proxies={"https": refusing_proxy}))
    with caplog.at_level(logging.WARNING):
        check(account, clients_without(account, "iam", "https://iam.amazonaws.com", config))
    assert "not checked" in caplog.text


@pytest.mark.parametrize("service", ["s3", "bedrock", "sts", "sagemaker"])
def test_what_a_run_needs_must_be_reached(service: str, account: Account) -> None:
    with pytest.raises(Exception, match=r"127\.0\.0\.1:9"):
        check(account, clients_without(account, service, NOTHING_LISTENS))
