from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cloud_sources import Cloud
from tests.support.local_aws_process import LocalAwsProcess


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with LocalAwsProcess() as local_aws:
        yield Cloud(local_aws.endpoint_url)
