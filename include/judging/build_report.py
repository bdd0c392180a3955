"""Sum up judgements: who wins, with intervals, and how far the judge can be relied on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from include.evaluation.bootstrap import estimate_score
from include.evaluation.bounded_mean import Limits, draw_means
from include.evaluation.results import Estimate
from include.judging.judging import Judged
from include.judging.pairs import Pairs
from include.judging.prompt import JudgeSettings
from include.judging.results import Judgement, JudgeReport, Preferred
from include.service.pricing import TokenUse

#: Of a difference of two shares, and of everything else that has two sides.
_BOTH_SIDES = Limits(-1.0, 1.0)
_VALUES: Mapping[Preferred, float] = {"candidate": 1.0, "tie": 0.0, "champion": -1.0}


class JudgedOn(NamedTuple):
    """The suite, the evaluations whose answers were compared, and where the judgements are kept."""

    suite: str
    candidate_report_uri: str
    champion_report_uri: str
    judgements_uri: str


class _Record(NamedTuple):
    """The mean verdicts on one record, 1 for the candidate and -1 for the champion, in each of the two orders."""

    candidate_first: float
    champion_first: float

    @property
    def outcome(self) -> float:
        """1: won in both orders; -1: lost in both; else 0, so a judge that favours a place prefers no model."""
        first, second = _sign(self.candidate_first), _sign(self.champion_first)
        return first if first == second else 0.0

    @property
    def bias(self) -> float:
        """How much more the first place is preferred than the second, whichever answer stands there."""
        return (self.candidate_first - self.champion_first) / 2


def build_judge_report(
    judged_on: JudgedOn, settings: JudgeSettings, pairs: Pairs, judged: Judged, seed: int, used: TokenUse
) -> JudgeReport:
    """Return the report of the judgements of ``pairs``; ``seed`` draws the intervals, ``used`` are the tokens."""
    judgements = judged.judgements
    records = [record for group in _by_record(judgements).values() if (record := _of_record(group))]
    asked, alike = len(pairs.different), len(pairs.compared) - len(pairs.different)
    outcomes = [record.outcome for record in records] + [0.0] * alike
    return JudgeReport(
        **judged_on._asdict(),
        judge=settings.model,
        prompt_digest=settings.prompt_digest,
        repetitions=settings.repetitions,
        temperature=settings.temperature,
        records=len(pairs.compared),
        alike=alike,
        without_verdict=asked - len(records),
        left_out=pairs.left_out,
        questions=len(judgements),
        unreadable=sum(one.status == "answered" and one.preferred is None for one in judgements),
        failed=sum(one.status != "answered" for one in judgements),
        wins=_share(outcomes, 1.0, seed),
        losses=_share(outcomes, -1.0, seed),
        ties=_share(outcomes, 0.0, seed),
        preference=_two_sided(outcomes, seed),
        position_bias=_two_sided([record.bias for record in records], seed),
        order_agreement=_order_agreement(records),
        repetition_agreement=_repetition_agreement(judgements),
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cost_summary=used.summary(),
        seconds=judged.seconds,
    )


def _by_record(judgements: Sequence[Judgement]) -> Mapping[str, list[Judgement]]:
    groups: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        groups.setdefault(judgement.record_id, []).append(judgement)
    return groups


def _of_record(judgements: Sequence[Judgement]) -> _Record | None:
    """Return the mean verdicts; None when an order has none, since the other alone would count the place too."""
    orders = [
        [_VALUES[one.preferred] for one in judgements if one.preferred and one.candidate_first == candidate_first]
        for candidate_first in (True, False)
    ]
    return _Record(fmean(orders[0]), fmean(orders[1])) if all(orders) else None


def _share(outcomes: Sequence[float], outcome: float, seed: int) -> Estimate | None:
    return estimate_score([float(one == outcome) for one in outcomes], seed) if outcomes else None


def _two_sided(values: Sequence[float], seed: int) -> Estimate | None:
    if not values:
        return None
    low, high = draw_means(values, _BOTH_SIDES, seed).interval
    return Estimate(value=fmean(values), low=low, high=high, records=len(values))


def _order_agreement(records: Sequence[_Record]) -> float | None:
    agreeing = [float(_sign(one.candidate_first) == _sign(one.champion_first)) for one in records]
    return fmean(agreeing) if agreeing else None


def _repetition_agreement(judgements: Sequence[Judgement]) -> float | None:
    agreeing = [float(len(set(verdicts)) == 1) for verdicts in _repeated(judgements)]
    return fmean(agreeing) if agreeing else None


def _repeated(judgements: Sequence[Judgement]) -> Iterator[list[Preferred]]:
    """Yield the verdicts of each record in each order, where there are several."""
    groups: dict[tuple[str, bool], list[Preferred]] = {}
    for one in judgements:
        if one.preferred:
            groups.setdefault((one.record_id, one.candidate_first), []).append(one.preferred)
    return (verdicts for verdicts in groups.values() if len(verdicts) > 1)


def _sign(value: float) -> float:
    return float((value > 0) - (value < 0))
