"""Say in plain words how many records a margin needs, so that a promotion without a person can be expected."""

from __future__ import annotations

from include.evaluation.bounded_mean import records_for_margin, smallest_margin
from include.evaluation.comparison import PairedDifference


def margin_note(records: int, margin: float) -> str:
    """Return what ``records`` can show about a version that scores like the champion on every one of them."""
    needed = records_for_margin(margin)
    if needed is None:
        return "with a comparison.margin of 0 only a version that scores better is promoted without a person"
    if records >= needed:
        return f"{records} records are enough for the comparison.margin of {margin:.3f}, which needs {needed} or more"
    return (
        f"{records} records are few for the comparison.margin of {margin:.3f}: a person is asked about a version that "
        f"scores just like the champion. Without a person it takes {needed} records, or a margin of "
        f"{_rounded_up(smallest_margin(records)):.3f}"
    )


def _rounded_up(margin: float) -> float:
    """Return the margin in thousandths, so that the one that is shown is enough."""
    return min(1.0, int(margin * 1000 + 1) / 1000)


def records_note(difference: PairedDifference) -> str:
    """Return about how many records would show whether a version like this one is worse than the champion."""
    needed = difference.records_needed
    if needed is None:
        return "with a margin of 0 no number of records shows that two models are equally good"
    if needed <= difference.records:
        return "more records would show it"
    return f"about {needed:,} records would show it if both are equally good"
