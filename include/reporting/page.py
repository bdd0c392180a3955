"""The HTML page of a report: one file, no script, no request to anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from include.reporting.content import ReportContent
from include.reporting.figures import latency_figure, scores_figure

TEMPLATES = Path(__file__).with_name("templates")


def render(content: ReportContent) -> str:
    """Return the page. Everything that is not our own SVG or style sheet is escaped."""
    figures = {
        "scores": scores_figure("scores", content.scores, "Scores with their 95 % intervals"),
        "categories": scores_figure("categories", content.categories, f"{content.compared} by category"),
        "latency": latency_figure("latency", content.latencies, "Share of answers given within a time"),
    }
    return render_page("report.html.jinja", content, figures)


def render_page(template: str, content: object, figures: Mapping[str, str]) -> str:
    """Return the page of a template, whose ``page`` is the content; the figures are SVG by their names in it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(
        page=content,
        style=Markup((TEMPLATES / "report.css").read_text("utf-8")),
        figures={name: Markup(svg) for name, svg in figures.items()},
    )
