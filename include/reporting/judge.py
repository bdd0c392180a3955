"""What a report shows of a judge: its verdicts, and how far it can be relied on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from include.config.suites import MAIN
from include.evaluation.results import Estimate
from include.judging.results import JudgeReport


class Figure(NamedTuple):
    """A figure as text, with its 95 % interval if it has one."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class JudgeContent:
    """The section about the judge: what was compared, the figures, and what the judge was asked with."""

    title: str
    records: str
    figures: tuple[tuple[str, Figure], ...]
    facts: tuple[tuple[str, str], ...]


def judge_content(report: JudgeReport) -> JudgeContent:
    """Return what a report shows of a judge's report on one suite."""
    title = "Judge" if report.suite == MAIN else f"Judge of suite {report.suite}"
    return JudgeContent(title, _records(report), tuple(_figures(report)), tuple(_facts(report)))


def _records(report: JudgeReport) -> str:
    return (
        f"A language model compared the answers to {report.records} records with the champion's: {report.alike} pairs "
        f"are alike and count as ties, {report.without_verdict} have no verdict. {report.left_out} records were left "
        "out, since a model did not answer them. A record is won or lost when one answer is preferred in both orders."
    )


def _figures(report: JudgeReport) -> Iterator[tuple[str, Figure]]:
    for label, share in (("won", report.wins), ("lost", report.losses), ("tied", report.ties)):
        yield label, _share(share)
    yield "won minus lost", _signed(report.preference)
    yield "position bias (+1: always the first answer, -1: the second)", _signed(report.position_bias)
    yield "same verdict in both orders", _percent(report.order_agreement)
    yield "repetitions that agree", _percent(report.repetition_agreement)
    yield "unreadable replies", Figure(f"{report.unreadable} of {report.questions}")
    yield "failed questions", Figure(f"{report.failed} of {report.questions}")


def _facts(report: JudgeReport) -> Iterator[tuple[str, str]]:
    temperature = "not sent" if report.temperature is None else f"{report.temperature:g}"
    yield "Judge", report.judge
    yield "Prompt", f"SHA-256 {report.prompt_digest}, temperature {temperature}, repetitions {report.repetitions}"
    yield "Used", report.cost_summary
    yield "Judgements", report.judgements_uri


def _share(one: Estimate | None) -> Figure:
    return Figure(_percents(one.value), f"{_percents(one.low)} to {_percents(one.high)}") if one else Figure("-")


def _signed(one: Estimate | None) -> Figure:
    return Figure(f"{one.value:+.3f}", f"{one.low:+.3f} to {one.high:+.3f}") if one else Figure("-")


def _percent(value: float | None) -> Figure:
    return Figure("-" if value is None else _percents(value))


def _percents(value: float) -> str:
    return f"{100 * value:.1f} %"
