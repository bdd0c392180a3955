"""From a waiting approval to a champion and back, in the real UI; builds on the runs of test_whole_way.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from playwright.sync_api import Page
from rich.console import Console

from include.demo.airflow_server import USER
from include.demo.run_view import follow_run
from tests.support.airflow_system import DAG_ID, System

pytestmark = pytest.mark.timeout(900)

PATIENCE = 400.0
FOLLOWER = "follow_champion"
#: Everything counts as not worse, so that only the setting asks for a person; no version is retired, as one comes back.
ASK = {
    "retention_keep": 100,
    # The content of version 2, which the tests of the whole way rejected.
    "adapter": "include/demo/adapters/early",
    "dtype": "float16",
    "promotion": "manual",
    "evaluation_thresholds": {},
    "comparison_margin": 1,
    "comparison_category_margin": 1,
}


@pytest.fixture(scope="module")
def waiting(system: System) -> str:
    """A run that waits for a person; version 1, the finished adapter, is the champion."""
    if system.approved_versions() != [1]:
        system.run(adapter="include/demo/adapters/finished")
    airflow = system.airflow()
    run_id = airflow.trigger(DAG_ID, ASK)
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/approve_promotion"
    _eventually(lambda: airflow.get(path)["state"] == "awaiting_input", "the run asks for an approval")
    return run_id


def _eventually(is_so: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := is_so():
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {PATIENCE:.0f} s: {what}")


def test_a_person_reads_the_report_and_approves_in_the_browser(system: System, waiting: str, page: Page) -> None:
    url = system.environment.ui_url
    page.goto(f"{url}/dags/{DAG_ID}/runs/{waiting}/tasks/approve_promotion/required_actions")
    page.get_by_text("promotion is set to manual").wait_for()
    with page.expect_popup() if _opens_a_tab(page) else page.expect_navigation() as opened:
        page.get_by_role("link", name="Open the report").click()
    report = opened.value if isinstance(opened.value, Page) else page
    report.get_by_role("heading", name="capitals, version 2").wait_for()
    assert "Waits for a person" in report.inner_text("body")
    page.goto(f"{url}/dags/{DAG_ID}/runs/{waiting}/tasks/approve_promotion/required_actions")
    page.locator("#element_comment").fill("good enough for the demo")
    page.get_by_test_id("hitl-option-Approve").click()
    done = follow_run(system.airflow(), DAG_ID, waiting, Console())
    assert done["record_answer"]["status"] == "Approved"
    assert f"approved by {USER}" in done["record_answer"]["reason"]
    assert "good enough for the demo" in done["record_answer"]["reason"]
    assert set(system.approved_versions()) == {1, 2}


def _opens_a_tab(page: Page) -> bool:
    return page.get_by_role("link", name="Open the report").get_attribute("target") == "_blank"


def test_another_teams_dag_is_started_by_the_promotion_and_told_the_models_arn(system: System, waiting: str) -> None:
    airflow = system.airflow()
    path = f"/dags/{FOLLOWER}/dagRuns"
    succeeded = _eventually(
        lambda: [run for run in airflow.get(path)["dag_runs"] if run["state"] == "success"], "the other DAG has run"
    )
    told = airflow.xcom(FOLLOWER, succeeded[-1]["dag_run_id"], "tell")
    assert told[-1] == airflow.xcom(DAG_ID, waiting, "register_version")["imported_model_arn"]


def test_a_roll_back_makes_the_earlier_version_the_champion_again(system: System) -> None:
    airflow = system.airflow()
    conf = {"model_name": "capitals", "version": 1, "reason": "the early one was a test"}
    done = follow_run(airflow, "roll_back_model", airflow.trigger("roll_back_model", conf), Console())
    assert done["roll_back"]["champion"] == 1
    assert done["announce_promotion"]["version"] == 1
    assert system.approved_versions() == [1]
    newest = system.client("sagemaker").list_model_packages(ModelPackageGroupName="capitals", SortBy="CreationTime")
    withdrawn = next(it for it in newest["ModelPackageSummaryList"] if it["ModelPackageVersion"] == 2)
    described = system.client("sagemaker").describe_model_package(ModelPackageName=withdrawn["ModelPackageArn"])
    assert described["ApprovalDescription"] == f"rolled back to version 1 by {USER}: the early one was a test"


def test_a_report_is_not_shown_to_somebody_who_is_not_logged_in(system: System, waiting: str) -> None:
    link = system.airflow().xcom(DAG_ID, waiting, "write_report", "report_url")
    assert requests.get(link, timeout=30, allow_redirects=False).status_code in (302, 303, 307, 401, 403)
