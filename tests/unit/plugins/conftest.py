from __future__ import annotations

import pytest
from airflow.providers.amazon.aws.hooks.bedrock import BedrockRuntimeHook

from bedrock_import.hooks import BedrockModelImportHook
from tests.support.fake_bedrock import FakeBedrock, async_connection
from tests.support.task_run import FakeTaskInstance


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    fake = FakeBedrock()
    for hook in (BedrockModelImportHook, BedrockRuntimeHook):
        monkeypatch.setattr(hook, "conn", fake)
        monkeypatch.setattr(hook, "get_async_conn", async_connection(fake))
        monkeypatch.setattr(hook, "conn_region_name", "us-east-1")
        monkeypatch.setattr(hook, "conn_partition", "aws")
    return fake


@pytest.fixture
def task_instance() -> FakeTaskInstance:
    return FakeTaskInstance()
