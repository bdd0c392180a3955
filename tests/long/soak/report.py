"""Write docs/soak.md and its picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.long.soak.installation import COMPONENTS, Sample

HEAD = """# Soak: many runs on end

Written by `make test-soak`; do not edit. A real Airflow on the stand-in for AWS imports two models, one run after
the other for each, so that two runs are active at a time: versions that become the champion, unchanged content,
weaker adapters, wrong inputs, half precision and imports that fail. Of each model one version is kept. Memory is
that of a component with its children, without what processes share; the scheduler's children are the tasks.
"""
WIDTH, HEIGHT, MARGIN = 760, 260, 44
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b")


def write_report(
    docs: Path, samples: Sequence[Sample], runs: Mapping[str, int], medians: Mapping[str, float], wrong: int
) -> None:
    """Write the page and the curves.

    Args:
        docs: the folder of the documentation.
        samples: what was measured, in its order.
        runs: the number of runs of each kind.
        medians: the median duration of a run of each kind, in seconds.
        wrong: the number of runs that ended otherwise than they should.
    """
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    minutes = samples[-1].seconds / 60
    kinds = "\n".join(f"| {kind} | {number} | {medians[kind]:.0f} s |" for kind, number in runs.items())
    text = (
        f"{HEAD}\n{moment}, {minutes:.0f} minutes: {sum(runs.values())} runs, {wrong} of them with a wrong end.\n\n"
        f"| Runs | Number | Median |\n|---|---|---|\n{kinds}\n\n"
        f"![Memory of each component over time](images/soak.svg)\n\n{_table(samples)}\n"
    )
    (docs / "soak.md").write_text(text)
    (docs / "images" / "soak.svg").write_text(_curves(samples))


def _table(samples: Sequence[Sample]) -> str:
    picked = [samples[round(share * (len(samples) - 1))] for share in (0, 0.25, 0.5, 0.75, 1)]
    rows: dict[str, Callable[[Sample], str]] = {
        "Minutes": lambda each: f"{each.seconds / 60:.0f}",
        "Runs that have ended": lambda each: str(each.runs),
        **{f"Memory of {name}, MB": _memory_of(name) for name in COMPONENTS},
        "Airflow's database, MB": lambda each: f"{each.database:.1f}",
        "Logs, MB": lambda each: f"{each.logs:.1f}",
        "Files of runs in the workspace": lambda each: str(each.workspace_files),
        "Objects in the bucket": lambda each: str(each.objects),
        "Open multipart uploads": lambda each: str(each.open_uploads),
        "Imported models": lambda each: str(each.imported_models),
        "Triggers": lambda each: str(each.triggers),
    }
    lines = [f"| {name} | {' | '.join(map(value, picked))} |" for name, value in rows.items()]
    lines.insert(1, "|---" * (len(picked) + 1) + "|")
    return "\n".join(lines)


def _memory_of(name: str) -> Callable[[Sample], str]:
    return lambda each: f"{each.memory.get(name, 0):.0f}"


def _curves(samples: Sequence[Sample]) -> str:
    longest = samples[-1].seconds or 1
    most = max(max(sample.memory.values()) for sample in samples)

    def point(sample: Sample, name: str) -> str:
        x = MARGIN + sample.seconds / longest * (WIDTH - 2 * MARGIN)
        return f"{x:.1f},{HEIGHT - MARGIN - sample.memory.get(name, 0) / most * (HEIGHT - 2 * MARGIN):.1f}"

    lines = []
    for number, (name, colour) in enumerate(zip(COMPONENTS, COLOURS, strict=True)):
        points = " ".join(point(sample, name) for sample in samples)
        lines += [
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>',
            f'<text x="{MARGIN + number * 140}" y="16" fill="{colour}">{name}</text>',
        ]
    axis = HEIGHT - MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
        f'<path d="M{MARGIN} {MARGIN}V{axis}H{WIDTH - MARGIN}" fill="none" stroke="#888"/>\n'
        f'<text x="4" y="{MARGIN + 4}">{most:.0f} MB</text><text x="4" y="{axis}">0 MB</text>\n'
        f'<text x="{WIDTH - MARGIN}" y="{axis + 18}" text-anchor="end">{longest / 60:.0f} minutes</text>\n'
        + "\n".join(lines)
        + "\n</svg>\n"
    )
