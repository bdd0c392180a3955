"""The preparation's report as an HTML page."""

from __future__ import annotations

from include.reporting import page
from include.reporting.figures import lengths_figure
from include.training.data_report import DataReport

TEMPLATE = "training_data.html.jinja"


def render_page(report: DataReport) -> str:
    """Return the page: what was used, how long the examples are, and some of them with what is trained."""
    lengths = report.lengths
    title = "Lengths of the examples in tokens"
    figure = lengths_figure("lengths", lengths.edges, lengths.counts, lengths.limit, title)
    return page.render_page(TEMPLATE, report, {"lengths": figure})
