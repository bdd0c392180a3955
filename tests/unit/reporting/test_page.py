from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from include.reporting.content import MOST_ANSWERS
from include.reporting.page import TEMPLATES, render
from include.reporting.training_content import Losses, SplitSide, TrainingContent
from tests.support.pages import answers, content, regressed_page

ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(html)
    return parser.found


@pytest.fixture(scope="module")
def regressed() -> str:
    return render(regressed_page())


def test_the_page_shows_which_category_broke_and_that_this_blocked_the_promotion(regressed: str) -> None:
    assert "<h1>capitals, version 4</h1>" in regressed
    assert re.search(
        r"✗ blocks</b><span>f1 in category &#39;Oceania&#39; differs from the champion by -1.000", regressed
    )
    assert re.search(r"Oceania</th><td>0\.000<small>.*?1\.000<small>", regressed)


def test_changed_answers_stand_side_by_side(regressed: str) -> None:
    assert "<h3>Broken: 20</h3>" in regressed
    assert "<h3>Fixed: 40</h3>" in regressed
    first = regressed.index("question 4</b>")
    assert re.search(
        r"champion</b><p class=\"said\">Lima.*?this version</b><p class=\"said\">Quito", regressed[first:], re.S
    )


def test_the_page_asks_nobody_for_anything(regressed: str) -> None:
    tags = _tags(regressed)
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "image", "base"}
    outside = [
        value for _, found in tags for name, value in found.items() if name in ("src", "srcset", "data", "action")
    ]
    assert outside == []
    assert all(it["href"].startswith(("#", "http")) for tag, it in tags if tag in ("use", "a") and it.get("href"))
    assert not re.search(r"@import|url\((?!#)", regressed)


def test_the_page_forbids_itself_scripts_and_requests(regressed: str) -> None:
    policies = [found["content"] for tag, found in _tags(regressed) if found.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_what_a_model_or_a_data_set_says_is_never_markup() -> None:
    texts = dict.fromkeys(range(0, 120, 2), ATTACK)
    page = render(
        content(
            answers(lambda *_: False, 0.2, texts),
            answers(lambda *_: True, 0.2),
            model_name=ATTACK,
            description=ATTACK,
            provenance=((ATTACK, f"https://{ATTACK}"),),
            training=TrainingContent(
                ATTACK,
                losses=(Losses(1, 2.0),),
                facts=((ATTACK, ATTACK),),
                sides=(SplitSide(ATTACK, 1, 1, 1),),
                counts=((ATTACK, 1),),
                sample=((ATTACK, True), (ATTACK, False)),
            ),
        )
    )
    assert "<script" not in page
    assert not [tag for tag, found in _tags(page) if tag == "img" or "onerror" in found]


def test_a_large_data_set_gives_a_page_that_says_how_much_it_leaves_out() -> None:
    page = render(content(answers(lambda *_: False, 0.2), answers(lambda *_: True, 0.2)))
    assert f"{120 - MOST_ANSWERS} more are in the records file." in page


def test_a_first_version_has_no_champion_to_show() -> None:
    page = render(content(answers(lambda index, _: index % 4 > 0, 0.2), None))
    assert "champion version" not in page
    assert "30 of the answers are not accepted ones." in page


def test_every_figure_has_a_name_for_those_who_cannot_see_it_and_ids_of_its_own(regressed: str) -> None:
    figures = [found for tag, found in _tags(regressed) if tag == "svg"]
    assert len(figures) == 3
    assert all(found["role"] == "img" and found["aria-label"] for found in figures)
    ids = [found["id"] for _, found in _tags(regressed) if found.get("id")]
    assert len(ids) == len(set(ids))


def test_the_same_content_gives_the_same_bytes(regressed: str) -> None:
    assert render(regressed_page()) == regressed


def _colours(scheme: str) -> dict[str, tuple[float, float, float]]:
    """The page's variables of a scheme, as linear RGB."""
    css = (TEMPLATES / "report.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.S)
    found = dict(re.findall(r"--(\w+): #([0-9a-f]{6})", blocks[0] if scheme == "light" else blocks[1]))
    return {name: _linear(value) for name, value in found.items()}


def _linear(hex_colour: str) -> tuple[float, float, float]:
    channels = [int(hex_colour[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in channels)
    return red, green, blue


def _contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """WCAG 2.2's contrast ratio."""
    luminances = sorted(0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in (one, other))
    return (luminances[1] + 0.05) / (luminances[0] + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_stand_out_from_the_background(scheme: str) -> None:
    colours = _colours(scheme)
    for background in ("paper", "panel"):
        assert {
            name for name in ("ink", "quiet", "link") if _contrast(colours[name], colours[background]) < 4.5
        } == set()
        marks = ("candidate", "champion")
        assert {name for name in marks if _contrast(colours[name], colours[background]) < 3} == set()


#: Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009),
#: severity 1, on linear RGB.
DEFICIENCIES = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def _lab(linear: tuple[float, float, float], seen_as: tuple[tuple[float, ...], ...]) -> list[float]:
    """CIELAB of a colour as somebody with this deficiency sees it."""
    seen = [max(0.0, min(1.0, sum(a * b for a, b in zip(row, linear, strict=True)))) for row in seen_as]
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(a * b for a, b in zip(row, seen, strict=True)) for row in to_xyz]
    x, y, z = (
        ratio ** (1 / 3) if ratio > 0.008856 else 7.787 * ratio + 16 / 116
        for ratio in (value / white for value, white in zip(xyz, (0.9505, 1.0, 1.089), strict=True))
    )
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_the_two_models_colours_differ_for_colour_blind_people_too(scheme: str, deficiency: str) -> None:
    colours = _colours(scheme)
    one, other = (_lab(colours[name], DEFICIENCIES[deficiency]) for name in ("candidate", "champion"))
    assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 30
