"""What a person clicks in Airflow's own UI: the trigger form, and the links of a run, whichever finished last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

from include.config import read_model_file
from tests.airflow_system import DAG_ID, System
from tests.browser_page import keep_picture

pytestmark = pytest.mark.timeout(900)

PATIENCE = 120_000
FILE = Path(__file__).parents[2] / "dags/models/capitals.yaml"
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


@pytest.fixture
def form(system: System, page: Page) -> Iterator[Locator]:
    """The trigger form of the demo model's DAG, as a click opens it; a run that it started is stopped again."""
    page.goto(f"{system.environment.ui_url}/dags/{DAG_ID}")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    expect(form.get_by_role("heading", name=f"Trigger Dag - {DAG_ID}")).to_be_visible()
    yield form
    if "/runs/" in page.url:
        answer = page.request.patch(_api(system, _run_in_sight(page)), data={"state": "failed"})
        assert answer.ok, answer.text()


def _api(system: System, run_id: str) -> str:
    return f"{system.environment.ui_url}/api/v2/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}"


def _run_in_sight(page: Page) -> str:
    return unquote(urlsplit(page.url).path.partition("/runs/")[2].split("/")[0])


def _field(form: Locator, parameter: str) -> Locator:
    return form.locator(f"[name=element_{parameter}]")


def _open(form: Locator, section: str) -> None:
    form.get_by_role("button", name=section, exact=True).click()


def _fill(form: Locator, parameter: str, value: str) -> None:
    """Type a value and leave the field, as the form takes over what was typed only then."""
    _field(form, parameter).fill(value)
    _field(form, parameter).blur()


def _runs(system: System) -> int:
    return int(system.airflow().get(f"/dags/{DAG_ID}/dagRuns", limit=1)["total_entries"])


def test_the_trigger_form_holds_the_values_of_the_models_file(form: Locator, page: Page) -> None:
    config = read_model_file(FILE)
    shown: dict[str, dict[str, Any]] = {
        "Model": {"description": config.description, "licence": config.licence},
        "Evaluation": {
            "evaluation_prompt_template": config.evaluation.prompt_template,
            "evaluation_max_tokens": config.evaluation.max_tokens,
        },
        "Retention": {"retention_keep": config.retention.keep},
    }
    for section, fields in shown.items():
        _open(form, section)
        for parameter, value in fields.items():
            expect(_field(form, parameter)).to_have_value(str(value))
        if section == "Model":
            keep_picture(page, "trigger-form.png")


def test_the_trigger_form_bounds_numbers_refuses_a_bad_value_with_its_reason_and_starts_a_run_with_a_good_one(
    system: System, form: Locator, page: Page
) -> None:
    before = _runs(system)
    _open(form, "Evaluation")
    for given, held in (("0", "1"), ("99999", "4096"), ("24", "24")):
        _fill(form, "evaluation_max_tokens", given)
        expect(_field(form, "evaluation_max_tokens")).to_have_value(held)
    _fill(form, "evaluation_guardrail_version", "latest")
    trigger = form.get_by_role("contentinfo").get_by_role("button", name="Trigger")
    trigger.click()
    refusal = form.get_by_text("Invalid input for param evaluation_guardrail_version: 'latest' does not match")
    expect(refusal).to_be_visible()
    refusal.scroll_into_view_if_needed()
    keep_picture(page, "trigger-form-refused.png")
    assert _runs(system) == before
    _fill(form, "evaluation_guardrail_version", "1")
    trigger.press("Enter")  # Airflow's notice of the refusal lies above the button for some seconds
    page.wait_for_url(f"**/dags/{DAG_ID}/runs/**")
    run_id = _run_in_sight(page)
    expect(page.get_by_role("link", name=run_id)).to_be_visible()
    expect(page.get_by_role("link", name="preflight").first).to_be_visible()
    conf = system.airflow().get(f"/dags/{DAG_ID}/dagRuns/{run_id}")["conf"]
    assert (conf["evaluation_max_tokens"], conf["evaluation_guardrail_version"]) == (24, "1")
    assert conf["model_name"] == read_model_file(FILE).model_name


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
