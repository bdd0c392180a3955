"""Each supported version of Airflow, in an environment of its own, passes the tests that depend on Airflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.constraints import INSTEAD

PLUGINS_AND_DAGS = ("tests/unit/plugins", "tests/dags", "tests/integration/plugins/test_plugins_folder.py")
END_TO_END = "tests/e2e/test_whole_way.py"
#: A run to its end, and one whose error says that no other try would help.
WHOLE_WAY = (
    f"{END_TO_END}::test_a_run_imports_measures_promotes_and_registers_the_model",
    f"{END_TO_END}::test_a_run_that_cannot_succeed_is_told_everything_that_is_wrong_before_any_work",
)
pytestmark = pytest.mark.timeout(2400)


@pytest.mark.parametrize("version", INSTEAD)
def test_the_plugins_and_the_dags_work(version: str, run_tests: Callable[..., str]) -> None:
    run_tests(
        version,
        "plugins and DAGs",
        "tests/unit/plugins",
        "tests/dags",
        "tests/integration/plugins/test_plugins_folder.py",
    )


@pytest.mark.parametrize("version", INSTEAD)
def test_a_real_airflow_goes_the_whole_way_and_fails_at_once_where_no_retry_would_help(
    version: str, run_tests: Callable[..., str]
) -> None:
    run_tests(version, "end to end", *WHOLE_WAY)
