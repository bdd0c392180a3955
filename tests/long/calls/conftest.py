from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.model_life import runner_of_an_account
from tests.support.runner import Runner


@pytest.fixture(scope="module")  # it sets environment variables, which other tests must not see
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with runner_of_an_account(tmp_path_factory.mktemp("runner")) as runner:
        yield runner
