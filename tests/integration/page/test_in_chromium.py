"""What a person does on the page of a small account: sees a failure's remedy, copies an ARN, opens a version's card."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from include.aws.clients import AwsClients
from include.demo.environment import aws_client
from tests.support.airflow_app import PAGE, AirflowApp, answer
from tests.support.browser_page import DESKTOP, PHONE, chromium, keep_picture, open_ready, overflow, serious_findings
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.small_account import MODEL, fill

URL = "http://airflow.test"
MODEL_URL = f"{URL}{PAGE}models/{MODEL}"
#: Milliseconds: a page that is not there by then on a busy machine does not come.
PATIENCE = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def _account(app: AirflowApp, local_aws: LocalAwsProcess, tmp_path_factory: pytest.TempPathFactory) -> None:
    fill(AwsClients(lambda name: aws_client(local_aws.endpoint_url, name)), tmp_path_factory.mktemp("checkpoint"))
    for piece in ("overview", "outlook", f"models/{MODEL}/standing"):
        assert app.client("viewer").get(f"{PAGE}{piece}?refresh=true").is_success


def open_page(browser: Browser, app: AirflowApp, size: dict[str, int], scheme: str = "light") -> Page:
    context = browser.new_context(
        viewport=size, color_scheme=scheme, permissions=["clipboard-read", "clipboard-write"]  # type: ignore[arg-type]
    )  # fmt: skip
    context.route(f"{URL}/**", lambda route: answer(app, route))
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    return page


def load_all(page: Page) -> None:
    """Scroll to the end, as what is out of sight is loaded then, and back."""
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    page.evaluate("window.scrollTo(0, 0)")


def test_a_failed_run_shows_its_remedy_in_two_clicks(browser: Browser, app: AirflowApp) -> None:
    page = open_page(browser, app, DESKTOP)
    open_ready(page, f"{URL}{PAGE}")  # the first click: Browse, Imported models
    page.get_by_text("ModelImportJobFailedError").first.click()
    expect(page.get_by_text("Next step:").first).to_be_visible()
    expect(page.get_by_text("then clear create_import_job").first).to_be_visible()
    keep_picture(page, "failed-run.png")
    assert serious_findings(page) == []


@pytest.mark.parametrize(
    ("size", "scheme", "picture"),
    [(DESKTOP, "light", "models.png"), (DESKTOP, "dark", "models-dark.png"), (PHONE, "light", "models-phone.png")],
)
def test_the_account_is_seen_at_once(
    browser: Browser, app: AirflowApp, size: dict[str, int], scheme: str, picture: str
) -> None:
    page = open_page(browser, app, size, scheme)
    open_ready(page, f"{URL}{PAGE}")
    load_all(page)
    expect(page.locator(".slots li")).to_have_count(3)
    assert overflow(page) == 0
    keep_picture(page, picture, whole=True)


@pytest.mark.parametrize(("size", "picture"), [(DESKTOP, "model.png"), (PHONE, "model-phone.png")])
def test_a_models_page_has_its_drawings_in_a_readable_size(
    browser: Browser, app: AirflowApp, size: dict[str, int], picture: str
) -> None:
    page = open_page(browser, app, size)
    open_ready(page, MODEL_URL)
    load_all(page)
    expect(page.locator("svg.forest")).to_have_count(4)
    expect(page.locator("table.heat td")).to_have_count(12)
    expect(page.locator("svg.stages rect").first).to_be_attached()
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('main *')].filter(each => each.childNodes.length"
        " && [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))"
        ".map(each => parseFloat(getComputedStyle(each).fontSize)))"
    )
    assert smallest >= 12
    assert overflow(page) == 0
    assert serious_findings(page) == []
    keep_picture(page, picture, whole=True)


def test_the_arn_is_copied_and_a_link_opens_a_versions_card(browser: Browser, app: AirflowApp) -> None:
    page = open_page(browser, app, DESKTOP)
    open_ready(page, MODEL_URL)
    page.get_by_role("button", name="Copy the ARN of version 3").first.click()
    expect(page.get_by_role("button", name="Copy the ARN of version 3").first).to_have_text("Selected: press Ctrl+C")
    assert str(page.evaluate("getSelection().toString()")).startswith("arn:aws:bedrock:us-east-1:")
    card = page.locator("#version-4")
    expect(card).to_be_hidden()
    page.get_by_role("region", name="Versions", exact=True).get_by_role("link", name="4", exact=True).click()
    expect(card).to_be_visible()
    card.get_by_text("Call it from Python").click()
    expect(card.locator("pre.code")).to_contain_text("runtime.invoke_model(modelId=")
