"""What every test runs under: an Airflow home of its own, no AWS account, one thread per process."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

PROJECT_ROOT = Path(__file__).resolve().parents[1]

# Airflow reads these once, when it is first imported, so they are set before any test module is collected.
_AIRFLOW_HOME = tempfile.mkdtemp(prefix="airflow-tests-")
atexit.register(shutil.rmtree, _AIRFLOW_HOME, ignore_errors=True)

for _name in [name for name in os.environ if name.startswith(("AIRFLOW", "AWS_"))]:
    del os.environ[_name]

os.environ.update(
    AIRFLOW_HOME=_AIRFLOW_HOME,
    AIRFLOW__CORE__DAGS_FOLDER=str(PROJECT_ROOT / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__PLUGINS_FOLDER=str(PROJECT_ROOT / "plugins"),
    AWS_CONFIG_FILE=os.devnull,
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    OMP_NUM_THREADS="1",
    PYTHONPATH=str(PROJECT_ROOT),
)

# Two cores run two tests at once: a single example may take long without anything being wrong.
settings.register_profile("two-cores", deadline=None)
settings.load_profile("two-cores")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: minutes of work; run with -m slow")
    config.addinivalue_line("markers", "sampled(n): every n-th of its parameter sets is run, the others with -m slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, unless it is asked for."""
    seen: Counter[str] = Counter()
    for item in items:
        if sampled := item.get_closest_marker("sampled"):
            function = item.nodeid.partition("[")[0]
            if seen[function] % sampled.args[0]:
                item.add_marker("slow")
            seen[function] += 1
    if not config.getoption("-m"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        items[:] = [item for item in items if item not in slow]
        config.hook.pytest_deselected(items=slow)


def pytest_collection_finish() -> None:
    """Keep what is loaded by now out of garbage collections; with Airflow and torch, a full one takes half a second."""
    gc.collect()
    gc.freeze()


class SharedServers(LoadFileScheduling):
    """The tests of a file go to one worker; so do those of a folder whose conftest starts servers for all of them."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return str(Path(file).parent) if file.startswith(("tests/e2e/", "tests/integration/")) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharedServers:
    """Return how tests are spread over workers."""
    return SharedServers(config, log)


@pytest.fixture
def without_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare no logits after a merge, which takes seconds."""
    monkeypatch.setattr("include.checkpoint.lora.logits_proof.SMALL_BASE", 0)


@pytest.fixture
def with_logits(monkeypatch: pytest.MonkeyPatch, without_logits: None) -> None:
    """Compare logits after a merge, as a run does."""
    monkeypatch.setattr("include.checkpoint.lora.logits_proof.SMALL_BASE", 10**9)
