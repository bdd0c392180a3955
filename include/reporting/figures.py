"""The figures of a report: SVG drawn by matplotlib, coloured by the page's style sheet.

matplotlib writes fixed colours. These are replaced by CSS variables, so that one figure serves light and dark pages.
Both models differ in shape (filled circle, open diamond; solid and dashed line) as well as in colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from include.reporting.suites import MetricRow
from include.reporting.training_content import Losses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Stand-ins, by the CSS variable that takes their place; no two are alike and none is used by matplotlib itself.
COLOURS = {"candidate": "#010101", "champion": "#020202", "ink": "#030303", "grid": "#040404", "paper": "#050505"}
WIDTH_INCHES, ROW_INCHES, FRAME_INCHES = 4.4, 0.42, 0.75
FONT_POINTS = 11
MOST_ROWS = 25
LONGEST_LABEL = 20
#: The candidate is drawn above, the champion below the middle of a row.
_OFFSET = 0.16
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": FONT_POINTS,
    "axes.edgecolor": COLOURS["grid"],
    "axes.labelcolor": COLOURS["ink"],
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "grid.color": COLOURS["grid"],
    "legend.frameon": False,
}


def scores_figure(name: str, rows: Sequence[MetricRow], title: str) -> str:
    """Return the rows' values, 0 to 1, with their 95 % intervals, as SVG; empty without rows.

    ``name`` is unique on the page.
    """
    import matplotlib as mpl

    if not rows:
        return ""
    shown = list(rows)[:MOST_ROWS]
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure, axes = _axes(FRAME_INCHES + ROW_INCHES * max(len(shown), 2))
        for model, sign in (("candidate", -1), ("champion", 1)):
            _draw_model(axes, model, shown, sign * _OFFSET)
        axes.set_yticks(range(len(shown)), [_label(row.label) for row in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        return _svg(figure, name, title)


def latency_figure(name: str, latencies: tuple[Sequence[float], Sequence[float]], title: str) -> str:
    """Return the share of answers given within a time, one line per model, as SVG; empty without a latency."""
    import matplotlib as mpl

    if not latencies[0]:
        return ""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure, axes = _axes(2.8)
        for model, values, line in zip(("candidate", "champion"), latencies, ("-", "--"), strict=True):
            if values:
                axes.ecdf(values, label=f"this {model}", color=COLOURS[model], linestyle=line, linewidth=2)
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds")
        axes.set_ylabel("share of answers")
        return _svg(figure, name, title)


def lengths_figure(name: str, edges: Sequence[int], counts: Sequence[int], limit: int, title: str) -> str:
    """Return a histogram of lengths in tokens, with a line at the limit, as SVG."""
    import matplotlib as mpl

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure, axes = _axes(2.8)
        axes.stairs(counts, edges, fill=True, color=COLOURS["candidate"])
        if limit <= edges[-1]:
            axes.axvline(limit, color=COLOURS["champion"], linestyle="--", linewidth=2, label=f"limit: {limit:,}")
            axes.legend()
        axes.set_xlim(left=0)
        axes.set_xlabel("tokens")
        axes.set_ylabel("examples")
        return _svg(figure, name, title)


def losses_figure(name: str, losses: Sequence[Losses], title: str) -> str:
    """Return the losses by step, those of held-out examples dashed with diamonds, as SVG; empty without a loss."""
    import matplotlib as mpl

    if not losses:
        return ""
    held_out = [(one.step, one.held_out) for one in losses if one.held_out is not None]
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure, axes = _axes(2.8)
        steps, train = [one.step for one in losses], [one.train for one in losses]
        axes.plot(steps, train, "-" if len(steps) > 1 else "o", color=COLOURS["candidate"], linewidth=2, label="train")
        if held_out:
            paper, colour = COLOURS["paper"], COLOURS["champion"]
            axes.plot(*zip(*held_out, strict=True), "--D", color=colour, markerfacecolor=paper, label="held out")
            axes.legend()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        return _svg(figure, name, title)


def _axes(height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    return figure, axes


def _draw_model(axes: Axes, model: str, rows: Sequence[MetricRow], offset: float) -> None:
    found = [(place + offset, getattr(row, model)) for place, row in enumerate(rows) if getattr(row, model)]
    if not found:
        return
    places, estimates = [place for place, _ in found], [estimate for _, estimate in found]
    colour, is_candidate = COLOURS[model], model == "candidate"
    axes.hlines(places, [one.low for one in estimates], [one.high for one in estimates], colour, linewidth=2)
    axes.plot(
        [one.value for one in estimates],
        places,
        "o" if is_candidate else "D",
        markersize=7,
        markeredgecolor=colour,
        markerfacecolor=colour if is_candidate else COLOURS["paper"],
        markeredgewidth=2,
        clip_on=False,
    )


def _label(text: str) -> str:
    words = text.replace("_", " ")
    return words if len(words) <= LONGEST_LABEL else f"{words[: LONGEST_LABEL - 1]}…"


def _svg(figure: Figure, name: str, title: str) -> str:
    buffer = io.StringIO()
    nothing: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', rf'<svg viewBox="\1" role="img" aria-label={_quoted(title)}>', svg
    )
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg).replace("xlink:href", "href")
    for variable, stand_in in COLOURS.items():
        svg = svg.replace(stand_in, f"var(--{variable})")
    return svg


def _quoted(title: str) -> str:
    return quoteattr(title).replace("\\", r"\\")
