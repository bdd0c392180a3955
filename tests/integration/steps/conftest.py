from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cloud_sources import Cloud
from tests.support.local_aws_process import LocalAwsProcess


@pytest.fixture(autouse=True)
def _merges_compare_no_logits(without_logits: None) -> None:
    """Let merges be as fast as they were; ``with_logits`` compares them."""


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with LocalAwsProcess() as local_aws:
        yield Cloud(local_aws.endpoint_url)
