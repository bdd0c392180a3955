"""What a person clicks in Airflow's own trigger form, of a model's DAG and of the one for any model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from include.config.files import read_model_file
from include.config.names import FORM_DAG_ID
from tests.support.airflow_system import DAG_ID, DOCUMENTED_DAG_ID, System
from tests.support.browser_page import keep_picture

pytestmark = pytest.mark.timeout(900)

PATIENCE = 120_000
FILE = Path(__file__).parents[2] / "dags/models/capitals.yaml"


class Form:
    """The trigger form of a DAG, as a click opens it."""

    def __init__(self, system: System, page: Page, dag_id: str) -> None:
        expect.set_options(timeout=PATIENCE)
        self.system, self.page, self.dag_id = system, page, dag_id
        page.goto(f"{system.environment.ui_url}/dags/{dag_id}")
        page.get_by_role("button", name="Trigger").first.click()
        self.dialog = page.get_by_role("dialog")
        expect(self.dialog.get_by_role("heading", name=f"Trigger Dag - {dag_id}")).to_be_visible()
        self.trigger = self.dialog.get_by_role("contentinfo").get_by_role("button", name="Trigger")

    def field(self, parameter: str) -> Locator:
        return self.dialog.locator(f"[name=element_{parameter}]")

    def open(self, section: str) -> None:
        self.dialog.get_by_role("button", name=section, exact=True).click()

    def fill(self, parameter: str, value: str) -> None:
        """Type a value and leave the field, as the form takes over what was typed only then."""
        self.field(parameter).fill(value)
        self.field(parameter).blur()

    def has_star(self, parameter: str) -> bool:
        """Whether the form marks the parameter, whose section is open, as one that must not be empty."""
        label = self.dialog.locator("label").filter(has_text=re.compile(rf"^{parameter}\b"))
        expect(label).to_be_visible()
        return "*" in label.inner_text()

    def runs(self) -> int:
        return int(self.system.airflow().get(f"/dags/{self.dag_id}/dagRuns", limit=1)["total_entries"])

    def started(self) -> dict[str, Any]:
        """What the run that was triggered was given."""
        self.page.wait_for_url(f"**/dags/{self.dag_id}/runs/**")
        expect(self.page.get_by_role("link", name="preflight").first).to_be_visible()
        run = self.system.airflow().get(f"/dags/{self.dag_id}/dagRuns/{self._run_in_sight()}")
        return dict(run["conf"])

    def stop(self) -> None:
        """Stop the run that was triggered, if there is one."""
        if "/runs/" in self.page.url:
            run = quote(self._run_in_sight(), safe="")
            url = f"{self.system.environment.ui_url}/api/v2/dags/{self.dag_id}/dagRuns/{run}"
            answer = self.page.request.patch(url, data={"state": "failed"})
            assert answer.ok, answer.text()

    def _run_in_sight(self) -> str:
        return unquote(urlsplit(self.page.url).path.partition("/runs/")[2].split("/")[0])


@pytest.fixture
def open_form(system: System, page: Page) -> Iterator[Callable[[str], Form]]:
    """Open a DAG's trigger form; a run that it started is stopped again."""
    opened: list[Form] = []

    def open_one(dag_id: str) -> Form:
        opened.append(Form(system, page, dag_id))
        return opened[-1]

    yield open_one
    for form in opened:
        form.stop()


def test_the_trigger_form_holds_the_values_of_the_models_file(open_form: Callable[[str], Form]) -> None:
    form, config = open_form(DAG_ID), read_model_file(FILE)
    shown: dict[str, dict[str, Any]] = {
        "Model": {"base": config.base, "adapter": config.adapter, "comment": ""},
        "Evaluation": {
            "evaluation_prompt_template": config.evaluation.prompt_template,
            "evaluation_max_tokens": config.evaluation.max_tokens,
        },
    }
    for section, fields in shown.items():
        form.open(section)
        for parameter, value in fields.items():
            expect(form.field(parameter)).to_have_value(str(value))
        if section == "Model":
            keep_picture(form.page, "trigger-form.png")
    for parameter in ("model_name", "approval_hours", "bucket"):
        expect(form.field(parameter)).to_have_count(0)


def test_the_form_changes_no_number_refuses_a_bad_value_with_its_reason_and_starts_a_run_with_a_good_one(
    open_form: Callable[[str], Form],
) -> None:
    form = open_form(DAG_ID)
    before = form.runs()
    form.open("Evaluation")
    for number in ("99999", "0"):
        form.fill("evaluation_max_tokens", number)
        expect(form.field("evaluation_max_tokens")).to_have_value(number)
    form.trigger.click()
    refusal = form.dialog.get_by_text("Invalid input for param evaluation_max_tokens: 0 is less than the minimum of 1")
    expect(refusal).to_be_visible()
    refusal.scroll_into_view_if_needed()
    keep_picture(form.page, "trigger-form-refused.png")
    assert form.runs() == before
    form.fill("evaluation_max_tokens", "24")
    form.fill("evaluation_prompt_template", "Question: {question}\nAnswer:")
    form.trigger.press("Enter")  # Airflow's notice of the refusal lies above the button for some seconds
    conf = form.started()
    assert conf["evaluation_max_tokens"] == 24
    assert conf["evaluation_prompt_template"] == "Question: {question}\nAnswer:"
    assert conf["base"] == read_model_file(FILE).base


def test_a_model_described_as_the_documents_show_can_be_triggered(open_form: Callable[[str], Form]) -> None:
    form = open_form(DOCUMENTED_DAG_ID)
    expect(form.trigger).to_be_enabled()
    form.trigger.click()
    assert form.started()["adapter"] == "include/demo/adapters/finished"


def test_any_model_can_be_imported_with_the_required_fields_alone_and_only_what_may_not_be_empty_has_a_star(
    open_form: Callable[[str], Form],
) -> None:
    form = open_form(FORM_DAG_ID)
    expect(form.trigger).to_be_disabled()
    schemas = {
        name: param["schema"]
        for name, param in form.system.airflow().get(f"/dags/{FORM_DAG_ID}/details")["params"].items()
    }
    starred = set()
    for section in dict.fromkeys(schema["section"] for schema in schemas.values()):
        form.open(section)
        starred |= {name for name in schemas if schemas[name]["section"] == section and form.has_star(name)}
    assert starred == {name for name, schema in schemas.items() if "null" not in schema.get("type", "null")}
    assert not starred & {"description", "licence", "adapter", "force", "evaluation_thresholds", "comment"}
    form.open("Model")
    form.fill("model_name", "any")
    form.fill("base", "include/demo/base")
    expect(form.trigger).to_be_disabled()
    form.open("Evaluation")
    form.fill("evaluation_dataset", "include/demo/capitals_eval.jsonl")
    expect(form.trigger).to_be_enabled()
    form.trigger.click()
    assert form.started()["base"] == "include/demo/base"
