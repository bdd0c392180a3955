"""The report as a browser shows it: desktop and phone, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from include.reporting.page import render
from tests.support.pages import answers, content, regressed_page

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
#: What reaches over the page's edges; a figure's own parts are cut by its frame.
OVERFLOWING = """() => [...document.querySelectorAll('body *:not(svg *)')].filter(element => {
    const box = element.getBoundingClientRect();
    return box.width && (box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5);
}).map(element => element.outerHTML.slice(0, 120))"""
SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll('figure svg text')].map(
    text => text.getBoundingClientRect().height))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is missing; on Debian and Ubuntu: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    unbroken = dict.fromkeys(range(0, 120, 3), "x" * 900)
    long_names = content(
        answers(lambda *_: False, 0.2, unbroken),
        answers(lambda *_: True, 0.2),
        model_name="a" * 40,
        description="verylongword" * 80,
    )
    return {"a broken category": render(regressed_page()), "long words": render(long_names)}


def _show(browser: Browser, html: str, width: int, scheme: str) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    troubles: list[str] = []
    page.on("request", lambda request: troubles.append(f"request {request.url}"))
    page.on("console", lambda message: troubles.append(f"console {message.text}"))
    page.set_content(html)
    return page, troubles


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["a broken category", "long words"])
def test_nothing_overflows_and_nobody_is_asked_for_anything(
    browser: Browser, pages: dict[str, str], name: str, width: int, scheme: str
) -> None:
    page, troubles = _show(browser, pages[name], width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate(SMALLEST_TEXT) >= 10
    assert troubles == []
    page.close()


def test_the_page_follows_the_readers_light_or_dark_setting(browser: Browser, pages: dict[str, str]) -> None:
    looks = []
    for scheme in ("light", "dark"):
        page, _ = _show(browser, pages["a broken category"], 390, scheme)
        mark = "getComputedStyle(document.querySelector('figure svg path[style*=candidate]')).stroke"
        looks.append((page.evaluate("getComputedStyle(document.body).backgroundColor"), page.evaluate(mark)))
        page.close()
    assert looks[0][0] == "rgb(255, 255, 255)"
    assert looks[0][0] != looks[1][0]
    assert looks[0][1] != looks[1][1]
