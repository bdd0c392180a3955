"""A real Airflow (API server, scheduler, DAG processor, triggerer) beside the stand-in for AWS, started once."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import BrowserContext, Page

from include.demo.airflow_server import USER
from include.demo.environment import DemoEnvironment
from tests.support.airflow_system import DAG_ID, DOCUMENTED_DAG_ID, System
from tests.support.browser_page import chromium
from tests.support.documents import blocks

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
#: The DAG of the model in docs/data-scientist.md, which has another name here, as there is a DAG of that name.
DOCUMENTED = """
import sys
from pathlib import Path
sys.path.insert(0, {dags!r})  # Airflow adds only the folder of this file
from include.config.files import read_model_file
from model_import_dag.factory import build_import_dag
build_import_dag({dag_id!r}, read_model_file(Path(__file__).with_suffix(".yaml")))
"""
#: What the tests let a run change, beyond the demo's file.
OPENED = (
    "promotion", "evaluation.dataset", "evaluation.thresholds", "comparison.margin", "comparison.category_margin",
    "retention.keep",
)  # fmt: skip
#: Loaded once, into the server from which the scheduler's workers are forked; otherwise each task loads its own.
PRELOADED = (
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.amazon.aws.hooks.bedrock",
    "include.config.model",
    "include.steps.plan_run",
    "include.steps.evaluate",
    "include.steps.report",
    "pyarrow",
    "torch",
    "transformers.modeling_utils",
)
#: Spare processor time: no DAG file changes here, so that none has to be read again.
FRUGAL = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    "AIRFLOW__SCHEDULER__MP_START_METHOD": "forkserver",
    "AIRFLOW__SCHEDULER__MP_FORKSERVER_PRELOAD": ",".join(PRELOADED),
}
#: Seconds between two looks at a run; each look costs the API server more than a task's heartbeat.
POLL_SECONDS = 2.0
#: Milliseconds: what is not on a page by then on a busy machine does not come.
PATIENCE = 120_000


def _follower(folder: Path) -> Path:
    """A DAG folder with the example of docs/promotion.md, which another team's DAG may look like."""
    folder.mkdir()
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/promotion.md").read_text("utf-8"), re.S)
    (folder / "follow_champion.py").write_text(next(block for block in blocks if "Asset(" in block))
    return folder


def _documented(folder: Path) -> Path:
    """A DAG folder with the model of docs/data-scientist.md."""
    folder.mkdir()
    [text] = [block.text for block in blocks("yaml") if block.document == "docs/data-scientist.md"]
    text = re.sub("^model_name: .*", "model_name: documented", text, flags=re.MULTILINE)
    (folder / "documented.yaml").write_text(text)
    (folder / "documented.py").write_text(DOCUMENTED.format(dags=str(ROOT / "dags"), dag_id=DOCUMENTED_DAG_ID))
    return folder


def _models(folder: Path) -> Path:
    """The project's DAG folder, in which runs of the demo model may change what the tests of promotions change."""
    shutil.copytree(ROOT / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "models" / "capitals.yaml"
    model = yaml.safe_load(path.read_text("utf-8"))
    opened = [*model["run_may_change"], *OPENED]
    # Without a schedule, a DAG may have several runs at a time.
    path.write_text(yaml.safe_dump({**model, "schedule": None, "run_may_change": opened}), "utf-8")
    return folder


def _bundles(**folders: Path) -> dict[str, str]:
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles = [{"name": name, "classpath": local, "kwargs": {"path": str(folder)}} for name, folder in folders.items()]
    return {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles)}


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("system")
    follower = _follower(folder / "another_team")
    documented = _documented(folder / "documented")
    bundles = _bundles(dags=_models(folder / "dags"), another_team=follower, documented=documented)
    demo = DemoEnvironment(folder / "demo", bundles | FRUGAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("include.demo.run_view.POLL_SECONDS", POLL_SECONDS)
        yield from _started(demo)


def _started(demo: DemoEnvironment) -> Iterator[System]:
    try:
        environment, _ = demo.start()
        for dag_id in (DAG_ID, DOCUMENTED_DAG_ID):
            environment.airflow.wait_until_ready(dag_id, demo.group)
        system = System(environment, demo.keys)
        system.listen()
        yield system
    finally:
        demo.stop()


@pytest.fixture(scope="module")
def logged_in(system: System) -> Iterator[BrowserContext]:
    """A Chromium in which the administrator has logged in; the tests of a module share the login."""
    if not Path(CHROMIUM).exists():  # never left out in silence, as chromium() would
        pytest.fail(f"{CHROMIUM} is missing; on Debian and Ubuntu: apt-get install chromium")
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(f"{system.environment.ui_url}/auth/login")
        page.locator('input[name="username"]').fill(USER)
        page.locator('input[name="password"]').fill(system.environment.password)
        page.locator('button[type="submit"]').click()
        page.wait_for_url(lambda url: "/auth/" not in url)
        page.close()
        yield context


@pytest.fixture
def page(logged_in: BrowserContext) -> Iterator[Page]:
    page = logged_in.new_page()
    yield page
    page.close()
