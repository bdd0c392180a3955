"""What a person clicks in Airflow's own UI: the links of a run, whichever finished last."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.airflow_system import DAG_ID, System
from tests.support.browser_page import keep_picture

pytestmark = pytest.mark.timeout(900)

PATIENCE = 120_000
#: Tasks that link to AWS's console when the connection leads to AWS.
LINKED_TASKS = ("upload_checkpoint", "create_import_job", "wait_for_import", "register_version")
CONSOLE_LINKS = ("S3 Prefix", "Bedrock Model Import Job", "SageMaker Model Registry")


@pytest.fixture(scope="module", autouse=True)
def _patience() -> None:
    expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def finished(system: System) -> str:
    """The newest run that went the whole way."""
    airflow = system.airflow()
    runs = airflow.get(f"/dags/{DAG_ID}/dagRuns", order_by="-run_after", state="success")["dag_runs"]
    # Airflow calls a run that was stopped a success, too, when its last tasks run whatever happened.
    whole = [run["dag_run_id"] for run in runs if airflow.xcom(DAG_ID, run["dag_run_id"], "register_version")]
    if not whole:
        system.run()
        return system.latest_run()
    return str(whole[0])


def _open_details(system: System, page: Page, run_id: str, task_id: str) -> None:
    """Open a task of a run and go to the tab on which Airflow shows a task's links."""
    page.goto(f"{system.environment.ui_url}/dags/{DAG_ID}/runs/{run_id}/tasks/{task_id}")
    page.get_by_role("link", name="Details", exact=True).click()


def test_no_link_leads_from_the_stand_in_to_the_real_aws(system: System, finished: str) -> None:
    """The stand-in's account number is another customer's in the AWS console."""
    airflow = system.airflow()
    for task_id in LINKED_TASKS:
        links = airflow.get(f"/dags/{DAG_ID}/dagRuns/{finished}/taskInstances/{task_id}/links")["extra_links"]
        assert {name: links[name] for name in links if name in CONSOLE_LINKS and links[name]} == {}


def test_the_link_of_write_report_opens_the_report_of_the_version(system: System, page: Page, finished: str) -> None:
    version = system.airflow().xcom(DAG_ID, finished, "register_version")["version"]
    _open_details(system, page, finished, "write_report")
    expect(page.get_by_role("link", name="Report", exact=True)).to_be_visible()
    keep_picture(page, "task-links.png")
    page.get_by_role("link", name="Report", exact=True).click()
    page.wait_for_url("**/model-imports/reports/capitals/*")
    expect(page.get_by_role("heading", name=f"capitals, version {version}")).to_be_visible()
