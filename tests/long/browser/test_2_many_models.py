"""The page with 50 models of 100 versions each, some of them imported."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.long.browser.conftest import MODELS, Site
from tests.support.browser_page import (
    DESKTOP,
    PHONE,
    background,
    open_ready,
    overflow,
    serious_findings,
)
from tests.support.many_models import model_name

pytestmark = pytest.mark.usefixtures("many_models")

LAST = model_name(MODELS - 1)


def test_rows_out_of_sight_are_loaded_when_they_come_into_sight(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, site.page)
    row = page.locator(f"tr[data-name={LAST}]")
    assert "Loading" in row.inner_text()
    row.scroll_into_view_if_needed()
    expect(row).to_contain_text("version 95")
    expect(row).to_contain_text("version 100")
    expect(row.locator("svg")).to_be_visible()


def test_the_page_tells_models_quota_and_champion(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, site.page)
    expect(page.locator(".tiles")).to_contain_text("15 of 200")
    row = page.locator(f"tr[data-name={model_name(0)}]")
    expect(row).to_contain_text("version 95, f1 0.")
    expect(row).to_contain_text("Rejected")


def test_a_model_is_found_by_its_name(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, site.page)
    page.get_by_label("Find").fill("-07")
    expect(page.locator("tr[data-name]:visible")).to_have_count(1)
    expect(page.get_by_text("1 of 51")).to_be_visible()


def test_cost_and_what_retention_would_delete_are_told(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, site.page)
    page.locator("#outlook-heading").scroll_into_view_if_needed()
    section = page.get_by_role("region", name="Cost and retention")
    expect(section).to_contain_text("USD storage a month for 15 models")
    expect(section).to_contain_text("it is the champion, version 95")
    expect(section).to_contain_text("version 100 was rejected")


def test_a_models_page_shows_plot_versions_and_links(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, site.page)
    page.get_by_role("link", name=model_name(0), exact=True).first.click()
    page.wait_for_url("**/models/model-00")
    expect(page.get_by_role("heading", name="Champion: version 95")).to_be_visible()
    expect(page.locator("svg.forest")).to_have_count(25)  # of the versions on this page
    expect(page.get_by_text("Page 1 of 4")).to_be_visible()
    run = page.get_by_role("link", name="Run of version 100")
    assert (run.get_attribute("href") or "").endswith("/dags/import_model/runs/manual__2026-01-17")
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_text("Page 2 of 4")).to_be_visible()
    assert serious_findings(page) == []


def test_refresh_shows_what_changed(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, site.page)
    expect(page.get_by_role("status").first).to_contain_text("Read")
    page.wait_for_timeout(6000)  # AWS is asked at most every five seconds
    with page.expect_response(lambda answer: "overview?refresh=true" in answer.url) as answered:
        page.get_by_role("button", name="Refresh").click()
    assert answered.value.ok
    expect(page.get_by_role("status").first).to_contain_text("Read less than a minute ago")


def test_everything_is_reached_and_seen_by_keyboard(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, site.page)
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "[document.activeElement.textContent || document.activeElement.id,"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
        )
    assert [name for name, _ in reached][:4] == ["Skip to content", "Refresh", "find", "capitals"]
    assert {style for _, style in reached} == {"solid"}
    page.get_by_role("link", name=model_name(0), exact=True).first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/model-00")


def test_the_page_and_a_models_page_fit_a_phone(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    open_ready(page, site.page)
    assert overflow(page) <= 0
    assert serious_findings(page) == []
    open_ready(page, f"{site.page}models/model-00")
    assert overflow(page) <= 0
    assert serious_findings(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_light_or_dark_as_the_visitor_likes_and_accessible(
    site: Site, open_page: Callable[..., Page], scheme: str
) -> None:
    page = open_page(color_scheme=scheme, viewport=DESKTOP)
    open_ready(page, site.page)
    assert (background(page) > 127) is (scheme == "light")
    assert serious_findings(page) == []
    open_ready(page, f"{site.page}models/model-00")
    assert serious_findings(page) == []
