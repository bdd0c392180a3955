"""Chromium, whose requests Airflow's app in this process answers, beside the stand-in.

The first file needs the stand-in empty, the fourth stops it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.airflow_app import CONNECTION, PAGE, AirflowApp, airflow_app, answer, connection_to
from tests.support.browser_page import DESKTOP, chromium
from tests.support.local_aws_process import LocalAwsCommand
from tests.support.many_models import import_models, register_versions

#: Milliseconds: a page that is not there by then on a busy machine does not come.
PATIENCE = 30_000
MODELS, VERSIONS, IMPORTED = 50, 100, 5
OPTIONS = ("--import-seconds", "0", "--max-imported-models", "200")


class Site(NamedTuple):
    """The address under which the browser finds Airflow, and who answers there."""

    app: AirflowApp
    local_aws: LocalAwsCommand
    url: str = "http://airflow.test"
    page: str = f"http://airflow.test{PAGE}"

    def answer(self, route: Route) -> None:
        """Answer a request of the browser as a user who may read everything gets it answered."""
        answer(self.app, route)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Empty first, then filled, at last without AWS."""
    folder = tmp_path_factory.mktemp("airflow")
    with LocalAwsCommand(OPTIONS) as local_aws, airflow_app(folder) as app, pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONNECTION, connection_to(local_aws.endpoint_url))
        yield Site(app, local_aws)


@pytest.fixture(scope="session")
def many_models(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fill the stand-in, once for all files that need it."""
    register_versions(site.local_aws.endpoint_url, MODELS, VERSIONS)
    import_models(site.local_aws.endpoint_url, tmp_path_factory.mktemp("checkpoint"), IMPORTED, VERSIONS)
    for piece in ("overview", "outlook"):  # the empty account of before is forgotten
        assert site.app.client("viewer").get(f"{PAGE}{piece}?refresh=true").is_success


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Return pages of browsers in which somebody is logged in."""
    contexts = []

    def make(**settings: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP} | settings)
        contexts.append(context)
        context.route(f"{site.url}/**", lambda route: site.answer(route))
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        return page

    yield make
    for context in contexts:
        context.close()
