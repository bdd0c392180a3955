from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cloud_sources import Cloud
from tests.support.local_aws_process import LocalAwsProcess


@pytest.fixture(autouse=True)
def without_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare no logits, which takes seconds for each merge; ``with_logits`` compares them."""
    monkeypatch.setattr("include.checkpoint.lora.logits_proof.SMALL_BASE", 0)


@pytest.fixture
def with_logits(monkeypatch: pytest.MonkeyPatch, without_logits: None) -> None:
    """Compare logits as a run does."""
    monkeypatch.setattr("include.checkpoint.lora.logits_proof.SMALL_BASE", 10**9)


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with LocalAwsProcess() as local_aws:
        yield Cloud(local_aws.endpoint_url)
