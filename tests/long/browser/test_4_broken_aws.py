"""What is shown when AWS is gone. Runs last: it stops the stand-in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.long.browser.conftest import Site
from tests.support.browser_page import open_ready, serious_findings

pytestmark = pytest.mark.usefixtures("many_models")


def test_when_aws_is_gone_the_page_shows_what_it_knows_and_says_how_old_it_is(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    open_ready(page, site.page)
    site.local_aws.process.kill()
    page.wait_for_timeout(6000)
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("AWS could not be asked again")).to_be_visible()
    expect(page.locator("tr[data-name=model-00]")).to_contain_text("version 95")
    assert serious_findings(page) == []


def test_what_was_never_read_is_an_error_that_can_be_tried_again(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_ready(page, f"{site.page}models/model-44")
    expect(page.get_by_role("alert").first).to_contain_text("EndpointConnectionError")
    assert serious_findings(page) == []
    with page.expect_response(lambda answer: "standing" in answer.url) as answered:
        page.get_by_role("button", name="Try again").first.click()
    assert answered.value.status == requests.codes.bad_gateway
