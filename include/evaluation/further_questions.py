"""Metrics that ask a model more than the questions of the data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from include.evaluation.dataset import Dataset, Record
from include.evaluation.results import PromptSettings, RecordResult


class FurtherQuestions(BaseModel, ABC):
    """The parameters of such a metric; its further questions are asked after those of the data set, once each.

    ``SCORES`` are the names of its scores, if it has several; ``RESCORED`` is whether it reads scores of the further
    answers that the suite's other metrics give.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    SCORES: ClassVar[tuple[str, ...]] = ()
    RESCORED: ClassVar[bool] = False

    @abstractmethod
    def questions(self, records: Sequence[Record], seed: int) -> list[Record]:
        """Return the further questions, those of the first record first."""

    @abstractmethod
    def with_scores(
        self, label: str, results: Sequence[RecordResult], further: Sequence[RecordResult]
    ) -> tuple[RecordResult, ...]:
        """Return the results with the metric's scores added; ``further`` are the results of ``questions``.

        A record without an answer scores 0.
        """

    def prompt(self, prompt: PromptSettings) -> PromptSettings:
        """Return how the further questions are asked."""
        return prompt

    def dataset(self, dataset: Dataset, seed: int) -> Dataset:
        """Return the further questions as a data set."""
        records = self.questions(dataset.records, seed)
        numbered = tuple(replace(record, index=index) for index, record in enumerate(records))
        return replace(dataset, records=numbered, file_records=len(numbered))

    def score_names(self, label: str) -> tuple[str, ...]:
        """Return the names of the scores in reports and thresholds."""
        return tuple(f"{label}.{name}" for name in self.SCORES) or (label,)
