"""The HTML page of a report: one file, no script, no request to anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from include.reporting.content import ReportContent
from include.reporting.figures import latency_figure, lengths_figure, losses_figure, scores_figure
from include.reporting.training_content import TrainingContent

TEMPLATES = Path(__file__).with_name("templates")


def render(content: ReportContent) -> str:
    """Return the page. Everything that is not our own SVG or style sheet is escaped."""
    figures = {
        "scores": scores_figure("scores", content.scores, "Scores with their 95 % intervals"),
        "categories": scores_figure("categories", content.categories, f"{content.compared} by category"),
        "latency": latency_figure("latency", content.latencies, "Share of answers given within a time"),
        **_training_figures(content.training),
    }
    return render_page("report.html.jinja", content, figures)


def _training_figures(training: TrainingContent | None) -> dict[str, str]:
    if training is None:
        return {}
    lengths = training.lengths
    title = "Lengths of the examples in tokens"
    return {
        "losses": losses_figure("losses", training.losses, "Loss of training and of held-out examples by step"),
        "lengths": lengths_figure("lengths", lengths.edges, lengths.counts, lengths.limit, title) if lengths else "",
    }


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
