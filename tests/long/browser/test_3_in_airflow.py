"""The page in Airflow's own frame, where a sandbox holds it: its links still lead out of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Frame, Page, Request, expect

from tests.long.browser.conftest import Site
from tests.support.browser_page import READY, background

pytestmark = pytest.mark.usefixtures("many_models")


def open_in_airflow(page: Page, site: Site) -> Frame:
    page.goto(f"{site.url}/plugin/model-imports")
    element = page.wait_for_selector("iframe[title='Imported models']")
    frame = element.content_frame() if element else None  # its page may not have answered yet
    assert frame is not None
    frame.wait_for_selector(READY, state="attached")
    return frame


def is_for_the_console(request: Request) -> bool:
    return request.url.startswith("https://console.aws.amazon.com/")


def test_the_navigation_leads_to_the_page(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(site.url)
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Imported models").click()
    page.wait_for_url("**/plugin/model-imports**")
    frame = page.frame_locator("iframe[title='Imported models']")
    expect(frame.get_by_role("heading", name="Imported models", exact=True)).to_be_visible()


def test_the_page_in_the_frame_takes_airflows_theme(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(color_scheme="light")
    frame = open_in_airflow(page, site)
    page.evaluate("document.documentElement.classList.replace('light', 'dark')")
    frame.wait_for_selector("html[data-theme=dark]", state="attached")
    assert background(frame) < 128
    page.evaluate("document.documentElement.classList.replace('dark', 'light')")
    frame.wait_for_selector("html[data-theme=light]", state="attached")


def test_a_models_own_page_has_an_address_in_airflow(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_in_airflow(page, site).get_by_role("link", name="model-00", exact=True).first.click()
    page.wait_for_url("**/plugin/model-imports/model-imports/models/model-00")
    page.reload()
    frame = page.frame_locator("iframe[title='Imported models']")
    expect(frame.get_by_role("heading", name="model-00", exact=True)).to_be_visible()


def test_a_link_to_airflow_leaves_the_frame(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{site.url}/plugin/model-imports/model-imports/models/capitals")
    page.frame_locator("iframe[title='Imported models']").get_by_role("link", name="DAG import_capitals").click()
    page.wait_for_url("**/dags/import_capitals")
    assert not [frame for frame in page.frames if "/model-imports/" in frame.url]


def test_a_link_to_a_console_opens_a_tab_of_its_own(
    site: Site, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aws_waits.links._AWS_DOMAINS", ("127.0.0.1",))  # as if the stand-in were AWS
    page = open_page()
    page.goto(f"{site.url}/plugin/model-imports/model-imports/models/model-00")
    frame = page.frame_locator("iframe[title='Imported models']")
    with page.expect_popup(), page.context.expect_event("request", is_for_the_console) as asked:
        frame.get_by_role("link", name="Checkpoint in S3").click()
    assert asked.value.url.startswith("https://console.aws.amazon.com/s3/buckets/model-import?region=us-east-1")
