"""Questions of the evaluation in the training data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from include.training.conversations import Conversation, normalised
from include.training.shingles import Shingles, shingles

#: A question has leaked where a record holds this much of its runs of eight words, whatever is around them.
LEAKED = 0.8


class LeakageFinder:
    """Finds the records that hold a question of the evaluation.

    A question is held where a message of the user is the question, but for case and white space, or where ``LEAKED`` of
    its runs of eight words are in the record. Only the first counts for a question that is shorter than that.
    """

    def __init__(self, questions: Iterable[str]) -> None:
        self._questions = {normalised(question): question for question in questions}
        distinct = list(self._questions.values())
        runs = shingles(distinct)
        self._sizes = [len(set(runs.of(index).tolist())) for index in range(len(distinct))]
        self._holders: dict[int, set[int]] = defaultdict(set)
        for index in range(len(distinct)):
            for run in runs.of(index).tolist():
                self._holders[run].add(index)
        self._distinct, self._runs = distinct, np.unique(runs.hashes)

    def find(self, conversations: Sequence[Conversation], runs: Shingles) -> list[str | None]:
        """Return for each record the question that it holds, if it does; ``runs`` are those of the records' texts."""
        known = np.isin(runs.hashes, self._runs)
        hits = np.concatenate([np.zeros(1, np.int64), np.cumsum(known)])
        some = hits[runs.starts[1:]] > hits[runs.starts[:-1]]
        return [
            self._asked(conversation) or (self._held(runs, known, index) if some[index] else None)
            for index, conversation in enumerate(conversations)
        ]

    def _asked(self, conversation: Conversation) -> str | None:
        found = (self._questions.get(normalised(question)) for question in conversation.questions)
        return next(filter(None, found), None)

    def _held(self, runs: Shingles, known: np.ndarray[tuple[int], np.dtype[np.bool_]], index: int) -> str | None:
        here = slice(runs.starts[index], runs.starts[index + 1])
        counts: Counter[int] = Counter()
        for run in set(runs.hashes[here][known[here]].tolist()):
            counts.update(self._holders[run])
        most = max(counts, key=lambda question: (counts[question] / self._sizes[question], -question))
        return self._distinct[most] if counts[most] >= LEAKED * self._sizes[most] else None
