"""What a judge's report means for a promotion: it informs, or has a person asked; it never promotes or refuses."""

from __future__ import annotations

from collections.abc import Sequence

from include.config.judge import JudgeConfig
from include.config.suites import MAIN
from include.evaluation.results import Estimate
from include.judging.results import JudgeReport
from include.promotion.findings import Effect, Finding, Findings


def judge_findings(judge: JudgeConfig, reports: Sequence[JudgeReport], champion: int) -> Findings:
    """Yield, for each suite, whose answers the judge prefers, and what makes it less reliable.

    With the effect ``asks``, a person is asked where it prefers the champion, and where its judgement is inconclusive
    because too many replies had no verdict. Nothing that it says counts in favour of a promotion.
    """
    for report in reports:
        grave: Effect = judge.effect
        against = report.prefers == "champion" or (report.records > 0 and not report.is_usable)
        yield _finding(report, grave if against else "informs", _preference(report, champion))
        if place := report.favoured_place:
            yield _finding(report, "informs", _bias(report, place))


def _finding(report: JudgeReport, effect: Effect, reason: str) -> Finding:
    of_suite = "" if report.suite == MAIN else f"suite {report.suite!r}: "
    return Finding(effect=effect, reason=f"{of_suite}the judge {report.judge} {reason}")


def _preference(report: JudgeReport, champion: int) -> str:
    if not report.records:
        return "had no two answers to compare"
    if report.preference is None or not report.is_usable:
        asked = report.records - report.alike
        return f"gave no verdict on {report.without_verdict} of {asked} records that it was asked about"
    whose = {
        "candidate": "prefers this version",
        "champion": f"prefers champion version {champion}",
        "tie": f"does not clearly prefer this version or champion version {champion}",
    }
    seen = f"{_count(report.wins)} won, {_count(report.losses)} lost, {_count(report.ties)} tied"
    doubt = f", {report.without_verdict} without a verdict" if report.without_verdict else ""
    return f"{whose[report.prefers or 'tie']}: {seen}{doubt}, wins minus losses {_figures(report.preference)}"


def _bias(report: JudgeReport, place: str) -> str:
    bias = _figures(report.position_bias) if report.position_bias else ""
    return f"favours the answer that is shown {place} ({bias}); both orders were asked, so that this cancels out"


def _count(share: Estimate | None) -> int:
    return round(share.value * share.records) if share else 0


def _figures(one: Estimate) -> str:
    return f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
