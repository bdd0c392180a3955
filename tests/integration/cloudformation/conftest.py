from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.local_aws_process import LocalAwsProcess
from tests.support.stacks import Aws

OPTIONS = ["--import-seconds", "0.1", "--cold-start-seconds", "0", "--max-imported-models", "100"]


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with LocalAwsProcess(OPTIONS) as process:
        yield Aws(process.endpoint_url)
