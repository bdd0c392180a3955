from __future__ import annotations

from collections.abc import Iterator

import pytest

from artifact_events import producer
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.runner import CONNECTION, Runner
from tests.support.stacks import Aws

OPTIONS = ["--import-seconds", "0.1", "--cold-start-seconds", "0", "--max-imported-models", "100"]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with LocalAwsProcess(OPTIONS) as process:
        yield Aws(process.endpoint_url)


@pytest.fixture(scope="module")
def runner(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with pytest.MonkeyPatch.context() as patch:
        made = Runner.create(aws, tmp_path_factory.mktemp("runner"))
        patch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", made.connection())
        for name, value in made.variables().items():
            patch.setenv(name, value)
        patch.setattr(producer, "LONG_POLL", 1)
        yield made
