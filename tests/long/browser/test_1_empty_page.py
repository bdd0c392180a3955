"""What is seen before there is any model, and while AWS keeps quiet. Runs first: the stand-in is still empty."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.long.browser.conftest import Site
from tests.support.browser_page import open_ready, serious_findings


def test_the_page_tells_that_nothing_is_imported(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, site.page)
    expect(page.get_by_role("row", name="capitals")).to_contain_text("none registered")
    expect(page.get_by_text("Nothing of these models is imported")).to_be_visible()
    expect(page.get_by_text("0 of 200")).to_be_visible()
    assert serious_findings(page) == []


def test_a_model_without_versions_says_so(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, f"{site.page}models/capitals")
    expect(page.get_by_role("heading", name="No version yet")).to_be_visible()
    assert serious_findings(page) == []


def test_while_aws_keeps_quiet_the_page_says_what_it_loads(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.context.route("**/standing*", lambda route: None)
    page.goto(f"{site.page}models/capitals")
    expect(page.get_by_text("Loading the versions…")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Loading…")
    assert serious_findings(page) == []
