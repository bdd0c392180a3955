"""One Airflow for all fault scenarios, healed before each, and the report of a whole run."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from include.run.workspace import PROJECT_ROOT
from tests.faults.installation import DAG_ID, Installation, InstallationWithoutSharedDisk
from tests.faults.outcomes import assert_imported_once
from tests.faults.report import FaultReport
from tests.faults.runs import Run

QUESTIONS = 4
#: By DAG.
MODELS_WITH_A_FILE = {"import_rotating": "rotating", "import_proxied": "proxied"}
_numbers = itertools.count(1)

Start = Callable[..., Run]
Stage = Callable[[str], AbstractContextManager[None]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-report", type=Path, help="write the outcome of each scenario to this file")
    parser.addoption("--s3-workspace", action="store_true", help="workers share no disk: the workspace is in S3")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--faults-report")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FaultReport(path))


@pytest.fixture(scope="session")
def _installation(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Installation]:
    kind = InstallationWithoutSharedDisk if pytestconfig.getoption("--s3-workspace") else Installation
    installation = kind(tmp_path_factory.mktemp("faults"))
    try:
        yield installation
    finally:
        installation.stop()


@pytest.fixture
def installation(_installation: Installation) -> Iterator[Installation]:
    """A healthy Airflow."""
    _installation.heal()
    yield _installation
    _installation.heal()


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few of the demo's questions."""
    lines = (PROJECT_ROOT / "include/demo/capitals_eval.jsonl").read_text().splitlines()[:QUESTIONS]
    path = tmp_path_factory.mktemp("questions") / "capitals.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Stage:
    """Report a part of a scenario in a row of its own, with the time until all was well again."""

    @contextmanager
    def _report(sentence: str) -> Iterator[None]:
        began, outcome = time.monotonic(), "failed"
        try:
            yield
            outcome = "passed"
        finally:
            request.node.user_properties.append((sentence, (outcome, time.monotonic() - began)))

    return _report


@pytest.fixture
def start(installation: Installation, questions: Path) -> Start:
    """Trigger an import of the demo model under a name of the scenario's own, or of another content or name."""
    own_name = f"fault-{next(_numbers)}"

    def _start(dag_id: str = DAG_ID, **conf: Any) -> Run:
        model_name = str(conf.pop("model_name", MODELS_WITH_A_FILE.get(dag_id, own_name)))
        values: dict[str, Any] = {
            "base": "include/demo/base",
            "adapter": None,
            "evaluation_dataset": str(questions),
            "evaluation_prompt_template": "[INST] {question} [/INST]",
            "evaluation_max_tokens": 8,
        } | conf
        # With a threshold, no person is asked about a first version.
        form = {"model_name": model_name, "evaluation_thresholds": {"f1": 0}}
        named = {} if dag_id in MODELS_WITH_A_FILE else form
        return Run(installation, model_name, installation.airflow.trigger(dag_id, named | values), dag_id)

    return _start


@pytest.fixture(scope="session")
def _finished() -> dict[str, Run]:
    return {}


@pytest.fixture
def finished(start: Start, _finished: dict[str, Run]) -> Run:
    """The run, with an adapter, that ended well before the scenario began; made once."""
    if "run" not in _finished:
        _finished["run"] = start(adapter="include/demo/adapters/finished")
        assert_imported_once(_finished["run"])
    return _finished["run"]
