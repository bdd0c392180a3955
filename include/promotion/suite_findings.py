"""Judge one suite of an evaluation: its thresholds, and the comparison with the champion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from include.config.suites import MAIN, Suite
from include.evaluation.comparison import Comparison, PairedDifference
from include.evaluation.results import Estimate, EvaluationReport
from include.promotion.findings import Effect, Finding, Findings
from include.promotion.many_looks import Look, looks_at
from include.promotion.sample_size import records_note

EVERY_CATEGORY = "*"
#: Scores are sums of floats; a smaller difference is none.
ROUNDING = 1e-9


class SuiteMeasured(BaseModel):
    """A suite, what the candidate scored in it, and how that compares with the champion.

    ``comparison`` is None without a champion, and if it could not be asked; ``why_not`` says why. Records that the
    champion left ``unanswered`` score 0 in the comparison.
    """

    model_config = ConfigDict(frozen=True)

    suite: Suite
    report: EvaluationReport
    comparison: Comparison | None = None
    unanswered: int = 0
    why_not: str = ""


class Standards(NamedTuple):
    """What differences are judged by: the champion's version number, and the looks in which the candidate is worse."""

    champion: int
    worse: frozenset[Look]


def threshold_findings(measured: SuiteMeasured) -> Findings:
    """Yield whether the thresholds are reached, overall and in the categories."""
    suite, report = measured.suite, measured.report
    categories = {part.category: part for part in report.categories}
    for metric, least in suite.thresholds.items():
        yield _reached(suite, metric, report.metrics.get(metric), least)
    for name in sorted(suite.category_thresholds.keys() - categories.keys() - {EVERY_CATEGORY}):
        yield _finding(suite, "blocks", f"category {name!r} has a threshold but no record")
    for name, part in categories.items():
        every, own = suite.category_thresholds.get(EVERY_CATEGORY, {}), suite.category_thresholds.get(name, {})
        for metric, least in {**every, **own}.items():
            yield _reached(suite, f"{metric} in category {name!r}", part.metrics.get(metric), least)


def champion_findings(measured: SuiteMeasured, standards: Standards) -> Findings:
    """Yield what the comparison with the champion says, or that there is none."""
    suite, comparison = measured.suite, measured.comparison
    if comparison is None:
        reason = f"champion version {standards.champion} could not be asked the same questions: {measured.why_not}"
        yield _finding(suite, "asks", reason)
        return
    if measured.unanswered:
        reason = f"champion version {standards.champion} left {measured.unanswered} of the questions unanswered"
        yield _finding(suite, "asks", reason)
    for look, difference in looks_at(suite.name, comparison):
        is_worse = look in standards.worse
        if look.category is not None:
            yield from _in_category(suite, look, difference, is_worse=is_worse)
        else:
            yield _overall(suite, look, difference, standards.champion, is_worse=is_worse)


def _finding(suite: Suite, effect: Effect, reason: str) -> Finding:
    """Return the finding with the name of its suite, unless it is the only one; a suite that informs has no effect."""
    named = reason if suite.name == MAIN else f"suite {suite.name!r}: {reason}"
    return Finding(effect="informs" if suite.effect == "informs" else effect, reason=named)


def _reached(suite: Suite, what: str, found: Estimate | None, least: float) -> Finding:
    """A stored evaluation may be older than the metric."""
    if found is None:
        why = "has a threshold, but the stored evaluation is older than this metric"
        return _finding(suite, "asks", f"{what} {why}: clear the run from its evaluation on")
    if found.value < least - ROUNDING:
        return _finding(suite, "blocks", f"{what} {found.value:.3f} is below the threshold {least:.3f}")
    return _finding(suite, "passes", f"{what} {found.value:.3f} reaches {least:.3f}")


def _overall(suite: Suite, look: Look, difference: PairedDifference, number: int, *, is_worse: bool) -> Finding:
    """A suite that decides has to be shown to be not worse; one that blocks must not look worse."""
    margin = f"the margin of {difference.margin:.3f}"
    cannot_tell = f"{difference.records} records cannot tell whether that is worse beyond {margin}"
    texts: Mapping[Effect, str] = {
        "passes": f"not worse beyond {margin}",
        "blocks": f"worse beyond {margin}",
        "asks": f"{cannot_tell}; {records_note(difference)}",
        "informs": f"{cannot_tell}, but it does not look so",
    }
    effect: Effect = "blocks" if is_worse else "passes" if difference.verdict == "not_worse" else "asks"
    if effect == "asks" and suite.effect == "blocks" and difference.value >= -difference.margin - ROUNDING:
        effect = "informs"
    seen = f"{look.metric} differs from champion version {number} by {_figures(difference)}"
    return _finding(suite, effect, f"{seen}: {texts[effect]}")


def _in_category(suite: Suite, look: Look, difference: PairedDifference, *, is_worse: bool) -> Findings:
    """A category refuses when it is shown to be worse; it asks when it looks worse but too few records say so."""
    if difference.value < -difference.margin:
        seen = f"{look.metric} in category {look.category!r} differs from the champion by {_figures(difference)}"
        reason = f"{seen}, beyond the category margin of {difference.margin:.3f}"
        yield _finding(suite, "blocks" if is_worse else "asks", reason)


def _figures(difference: PairedDifference) -> str:
    return f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
