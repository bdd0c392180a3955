"""One Airflow for all scenarios of a fine-tune; the stand-in runs the training jobs as processes of this machine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.runs import Run
from tests.long.fine_tune.training_installation import TrainingInstallation

TRAINED = "fine_tune_trained"
_seeds = itertools.count(1000)
Start = Callable[..., Run]


@pytest.fixture(scope="session")
def _installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingInstallation]:
    installation = TrainingInstallation(tmp_path_factory.mktemp("fine-tune"))
    try:
        yield installation
    finally:
        installation.stop()


@pytest.fixture
def installation(_installation: TrainingInstallation) -> Iterator[TrainingInstallation]:
    """A healthy Airflow."""
    _installation.heal()
    yield _installation
    _installation.heal()


@pytest.fixture
def start(installation: TrainingInstallation) -> Start:
    """Trigger a fine-tune of a content of the scenario's own, or of another one."""
    seed = next(_seeds)

    def _start(dag_id: str = TRAINED, **conf: Any) -> Run:
        values = {"training_seed": seed} | conf
        name = dag_id.removeprefix("fine_tune_").replace("_", "-")
        return Run(installation, name, installation.airflow.trigger(dag_id, values), dag_id)

    return _start
