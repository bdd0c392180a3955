"""What a person clicks in Airflow's own UI: the links of a run, whichever finished last."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.support.airflow_system import DAG_ID, System
from tests.support.browser_page import keep_picture

pytestmark = pytest.mark.timeout(900)

PATIENCE = 120_000
CONSOLE = "https://console.aws.amazon.com"
IMPORTS = "/bedrock/home?region=us-east-1#/import-models"
#: By task and link: the page of the console; {bucket} and {prefix} are those of the run.
CONSOLE_LINKS = {
    ("upload_checkpoint", "S3 Prefix"): "/s3/buckets/{bucket}?region=us-east-1&prefix={prefix}",
    ("create_import_job", "S3 Prefix"): "/s3/buckets/{bucket}?region=us-east-1&prefix={prefix}",
    ("create_import_job", "Bedrock Model Import Job"): IMPORTS,
    ("wait_for_import", "Bedrock Model Import Job"): IMPORTS,
    ("warm_up", "Bedrock Imported Model"): IMPORTS,
    ("register_version", "SageMaker Model Registry"): "/sagemaker/home?region=us-east-1#/studio",
}


@pytest.fixture(scope="module", autouse=True)
def consoles(logged_in: BrowserContext) -> list[str]:
    """The addresses outside of this machine that the browser asked for; they are answered here, not there."""
    asked: list[str] = []

    def answer(request: Request) -> str:
        asked.append(request.url)
        return "A page of the console"

    logged_in.route(
        re.compile(r"^https://"), lambda route: route.fulfill(body=answer(route.request), content_type="text/html")
    )
    expect.set_options(timeout=PATIENCE)
    return asked


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


@pytest.mark.parametrize("task_id", dict.fromkeys(task_id for task_id, _ in CONSOLE_LINKS))
def test_a_tasks_links_open_the_pages_of_the_aws_console(
    system: System, page: Page, consoles: list[str], finished: str, task_id: str
) -> None:
    plan = system.airflow().xcom(DAG_ID, finished, "preflight")
    prefix = quote(plan["s3_uri"].removeprefix(f"s3://{plan['bucket']}/"), safe="")
    _open_details(system, page, finished, task_id)
    for (task, name), address in CONSOLE_LINKS.items():
        if task != task_id:
            continue
        with page.expect_popup() as opened:
            page.get_by_role("link", name=name, exact=True).click()
        wanted = CONSOLE + address.format(bucket=plan["bucket"], prefix=prefix)
        opened.value.wait_for_url(wanted)
        expect(opened.value.get_by_text("A page of the console")).to_be_visible()
        assert wanted.partition("#")[0] in consoles
        opened.value.close()


def test_the_link_of_write_report_opens_the_report_of_the_version(system: System, page: Page, finished: str) -> None:
    version = system.airflow().xcom(DAG_ID, finished, "register_version")["version"]
    _open_details(system, page, finished, "write_report")
    expect(page.get_by_role("link", name="Report", exact=True)).to_be_visible()
    keep_picture(page, "task-links.png")
    page.get_by_role("link", name="Report", exact=True).click()
    page.wait_for_url("**/model-imports/reports/capitals/*")
    expect(page.get_by_role("heading", name=f"capitals, version {version}")).to_be_visible()
