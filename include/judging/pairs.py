"""Pair the stored answers of two models to the same records, and draw those that are judged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from include.evaluation.results import RecordResult


@dataclass(frozen=True)
class Pair:
    """The two answers to one record."""

    record_id: str
    index: int
    question: str
    accepted_answers: tuple[str, ...]
    candidate: str
    champion: str

    @property
    def alike(self) -> bool:
        """Whether both answers are the same, so that there is nothing to judge."""
        return self.candidate.strip() == self.champion.strip()


@dataclass(frozen=True)
class Pairs:
    """The pairs that are compared. ``left_out`` counts the records that a model left unanswered."""

    compared: tuple[Pair, ...]
    left_out: int

    @property
    def different(self) -> tuple[Pair, ...]:
        """The pairs about which the judge is asked."""
        return tuple(pair for pair in self.compared if not pair.alike)


def draw_pairs(candidate: Sequence[RecordResult], champion: Sequence[RecordResult], most: int, seed: int) -> Pairs:
    """Return at most ``most`` pairs, in the order of the records; which ones is drawn with ``seed``."""
    rivals = {result.record_id: result for result in champion if result.status == "answered"}
    pairs = [
        _pair(result, rivals[result.record_id])
        for result in candidate
        if result.status == "answered" and result.record_id in rivals
    ]
    places = range(len(pairs))
    drawn = sorted(random.Random(seed).sample(places, most)) if len(pairs) > most else places
    return Pairs(tuple(pairs[place] for place in drawn), len(candidate) - len(pairs))


def _pair(new: RecordResult, old: RecordResult) -> Pair:
    return Pair(new.record_id, new.index, new.question, new.accepted_answers, new.answer, old.answer)
