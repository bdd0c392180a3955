"""Reports of a judge that follows a rule, without asking anything."""

from __future__ import annotations

from collections.abc import Callable

from include.evaluation.results import RecordResult
from include.judging.build_report import JudgedOn, build_judge_report
from include.judging.judging import Judged
from include.judging.pairs import draw_pairs
from include.judging.prompt import JudgeSettings
from include.judging.results import Judgement, JudgeReport, Preferred
from include.service.pricing import TokenUse
from tests.support.record_results import record_result

#: What a judge says of a record, given whether the candidate's answer is shown first, at a repetition.
Rule = Callable[[int, bool, int], Preferred | None]
ON = JudgedOn("evaluation", "s3://b/new.json", "s3://b/old.json", "s3://b/new.judged.records.jsonl")


def report_of(rule: Rule, records: int = 60, repetitions: int = 1, seed: int = 0) -> JudgeReport:
    pairs = draw_pairs(*_answers(records), records, seed)
    judgements = tuple(
        Judgement(
            key=f"{pair.index}-{first}-{number}",
            record_id=pair.record_id,
            candidate_first=first,
            repetition=number,
            status="answered",
            preferred=rule(pair.index, first, number),
        )
        for pair in pairs.compared
        for number in range(repetitions)
        for first in (True, False)
    )
    used = TokenUse(input_tokens=1_000_000, output_tokens=500_000, input_price=3.0, output_price=15.0)
    return build_judge_report(ON, JudgeSettings("j", "r", repetitions), pairs, Judged(judgements, 0, 1.0), seed, used)


def _answers(records: int) -> tuple[list[RecordResult], list[RecordResult]]:
    new, old = ([record_result(index, text) for index in range(records)] for text in ("new", "old"))
    return new, old


def first(place_is_candidates: bool) -> Preferred:
    """The verdict of a judge that always prefers the first answer."""
    return "candidate" if place_is_candidates else "champion"
