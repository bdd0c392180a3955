"""A hook's own configuration is laid over the connection's; proxies and timeouts of the connection hold."""

from __future__ import annotations

import json

import pytest
from botocore.config import Config

from bedrock_import.hooks import BedrockModelImportHook, BedrockModelRuntimeHook
from model_import_dag.clients import AwsConnectionMissingError, aws_clients, service_client

PROXIES = {"https": "http://proxy.example:3128"}


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        "region_name": "us-east-1",
        "config_kwargs": {"proxies": PROXIES, "connect_timeout": 7, "retries": {"total_max_attempts": 4}},
    }
    stored = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_PROXIED", json.dumps(stored))


@pytest.mark.parametrize("hook", [BedrockModelImportHook, BedrockModelRuntimeHook])
def test_what_the_hook_does_not_set_is_the_connections(hook: type[BedrockModelImportHook]) -> None:
    config = hook(aws_conn_id="proxied", config=Config(read_timeout=300)).get_conn().meta.config
    assert (config.proxies, config.connect_timeout, config.read_timeout) == (PROXIES, 7, 300)
    assert config.retries["total_max_attempts"] == 4


def test_what_both_set_is_the_hooks() -> None:
    config = BedrockModelRuntimeHook(aws_conn_id="proxied", config=Config(connect_timeout=2)).get_conn().meta.config
    assert (config.proxies, config.connect_timeout) == (PROXIES, 2)


def test_services_that_a_run_can_do_without_are_not_waited_for_long_unless_the_connection_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert service_client("proxied", None, "iam").meta.config.connect_timeout == 7
    stored = {"conn_type": "aws", "login": "a", "password": "b", "extra": {"region_name": "us-east-1"}}
    monkeypatch.setenv("AIRFLOW_CONN_PLAIN", json.dumps(stored))
    for service in ("iam", "kms", "service-quotas"):
        config = service_client("plain", None, service).meta.config
        assert (config.connect_timeout, config.retries["total_max_attempts"]) == (3, 3)


def test_a_connection_that_is_missing_is_not_replaced_by_the_workers_own_credentials() -> None:
    with pytest.raises(AwsConnectionMissingError, match="no such Airflow connection: abroad"):
        aws_clients("abroad", None)
    aws_clients("aws_default", None)


@pytest.mark.parametrize("service", ["bedrock", "bedrock-runtime", "s3", "sagemaker", "service-quotas", "iam"])
def test_every_client_of_a_task_goes_through_the_connections_proxy(service: str) -> None:
    assert service_client("proxied", None, service).meta.config.proxies == PROXIES


def test_a_hook_without_a_connection_has_its_own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    hook = BedrockModelRuntimeHook(aws_conn_id=None, config=Config(read_timeout=300))
    assert hook.get_conn().meta.config.read_timeout == 300
