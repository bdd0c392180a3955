"""Write the approval request of a promotion: subject and body, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from include.evaluation.answer_marks import MarkedAnswer, count_marks
from include.promotion.findings import gravest_first
from include.promotion.sample_size import margin_note
from include.run.plan import ImportPlan
from include.steps.results import DecisionResult, EvaluationResult
from include.steps.score_card import ScoreCard, score_cards

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~-])")


class ApprovalRequest(NamedTuple):
    """The subject, and the Markdown body with everything needed to decide."""

    subject: str
    body: str


def approval_request(
    plan: ImportPlan,
    decision: DecisionResult,
    evaluation: EvaluationResult,
    version: int,
    report_url: str,
    marks: Sequence[MarkedAnswer] = (),
) -> ApprovalRequest:
    """Return the request: findings, scores with intervals, the report's URL, and what happens without an answer.

    Args:
        plan: what was imported; its configuration has the deadline.
        decision: what ``decide`` returned.
        evaluation: what ``measure`` returned of the candidate.
        version: its number in the registry.
        report_url: the page with everything.
        marks: what people have marked of the answers before.
    """
    subject = f"Promote {plan.config.model_name} version {version}?"
    lines = [*_lines(plan, decision, evaluation, report_url), *_marking(marks)]
    return ApprovalRequest(subject, "\n".join(lines))


def _marking(marks: Sequence[MarkedAnswer]) -> Iterator[str]:
    yield ""
    if marks:
        yield f"Before: {plain(count_marks(marks))}."
    yield "To mark answers, write a line for each: its number in the report, right, wrong or unsure, and a note if you"
    yield "like. For example: `17 wrong: the capital is Canberra`."


def _lines(plan: ImportPlan, decision: DecisionResult, evaluation: EvaluationResult, report_url: str) -> Iterator[str]:
    yield f"[**Open the report**]({report_url})"
    yield ""
    for finding in gravest_first(decision.findings):
        yield f"- **{finding.mark}**: {plain(finding.reason)}"
    yield ""
    for number, card in enumerate(score_cards(decision, evaluation)):
        if number:
            yield f"**Suite {plain(card.suite)}**"
            yield ""
        yield from _table(card)
    champion = f"version {decision.champion} is the champion" if decision.champion else "there is no champion"
    if decision.champion_report_uri:
        yield f"{plain(margin_note(evaluation.records, plan.config.comparison.margin))}."
        yield ""
    yield f"An approval counts only while {champion}."
    approval = plan.config.approval
    yield f"Without an answer within {approval.hours} hours the answer is: {approval.on_deadline}."


def _table(card: ScoreCard) -> Iterator[str]:
    champion = "" if card.champion is None else f" champion (version {card.champion}) |"
    yield f"| metric |{champion} this version | 95 % interval |"
    yield f"| --- |{' ---: |' * bool(champion)} ---: | ---: |"
    for row in card.rows:
        beside = "" if not champion else f" {'' if row.champion is None else format(row.champion, '.3f')} |"
        yield f"| {plain(row.metric)} |{beside} {row.value:.3f} | {row.low:.3f} to {row.high:.3f} |"
    yield ""


def plain(text: str) -> str:
    """Escape ``text`` for Markdown, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
