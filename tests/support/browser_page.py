"""Chromium, driven by Playwright, and what tests ask of a page whatever it shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame, Page, sync_playwright

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
#: None of them reaches out by itself; --no-sandbox is for root, whom Chromium refuses otherwise.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = "html[data-ready=true]"
SERIOUS = {"serious", "critical"}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield the system's Chromium; skip the test, saying so, where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def open_ready(page: Page, url: str) -> None:
    """Open the page of imported models, or of one, and wait until all that is in sight was loaded."""
    page.goto(url)
    page.wait_for_selector(READY, state="attached")


def serious_findings(page: Page) -> list[str]:
    """Return what axe-core holds against the page's accessibility, serious and critical; one line each."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in violations
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


def overflow(page: Page | Frame) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def background(page: Page | Frame) -> Any:
    """Return the red part of the page's background, 0 to 255: dark or light."""
    return page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")


def keep_picture(page: Page, name: str, *, whole: bool = False) -> None:
    """Keep a screenshot in the folder that PICTURES names, if it does: so those of the docs were made.

    ``whole`` keeps what is out of sight too.
    """
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=str(Path(folder) / name), full_page=whole)
