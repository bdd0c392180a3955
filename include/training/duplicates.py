"""Records that are there again: exactly, or with a word changed here and there."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from include.training.conversations import Conversation, normalised
from include.training.shingles import SHINGLE_WORDS, Hashes, Shingles, hash_text, similarity

#: Two records are near duplicates where question and answer each have this much in common (Jaccard index).
NEAR = 0.8
#: MinHash with locality-sensitive hashing (Broder, 1997; Leskovec et al., "Mining of Massive Datasets", chapter 3):
#: records of which 0.8 is in common are compared with a probability of 1 - (1 - 0.8 ** 3) ** 8 = 99.7 %.
BANDS, ROWS = 8, 3
#: Of the records with one band in common, each is compared with the last so many, so that no group takes long.
MOST_COMPARED = 8
#: Those that the next record of a group is compared with.
_KEPT_TEXTS = 4 * MOST_COMPARED
_RANDOM = np.random.Generator(np.random.PCG64(20_000))  # fixed: the same records are compared every time
_FACTORS = _RANDOM.integers(1, 2**63, BANDS * ROWS, np.uint64) * np.uint64(2) + np.uint64(1)
_BAND_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_NO_BAND = np.uint64(0)

Kept = npt.NDArray[np.bool_]


class DuplicateFinder:
    """Remembers 72 bytes of each record, and finds those that are there again when all were seen."""

    def __init__(self) -> None:
        self._exact = array("Q")
        self._bands = array("Q")

    def add(self, conversations: Sequence[Conversation], runs: Shingles) -> None:
        """Remember these records; ``runs`` are those of their texts."""
        self._exact.extend(hash_text(_whole(conversation)) for conversation in conversations)
        self._bands.frombytes(_bands(runs).tobytes())

    def exact(self) -> Kept:
        """Return which records are the first of their content: their case and white space do not count."""
        hashes = np.frombuffer(self._exact, np.uint64)
        first = np.zeros(len(hashes), np.bool_)
        first[np.unique(hashes, return_index=True)[1]] = True
        return first

    def near(self, kept: Kept, read: Callable[[int], Conversation]) -> Kept:
        """Return which of the ``kept`` records are no near duplicates of an earlier one.

        Args:
            kept: the records to compare.
            read: returns a record by its index.
        """
        kept = kept.copy()
        cached = lru_cache(_KEPT_TEXTS)(read)
        bands = np.frombuffer(self._bands, np.uint64).reshape(-1, BANDS)
        for band in range(BANDS):
            for group in _groups(bands[:, band], kept):
                _leave_out(group, kept, cached)
        return kept


def is_near(one: Conversation, other: Conversation) -> bool:
    """Return whether the answers are alike and the questions are.

    Another question about the same long text is not a duplicate, nor is another answer. Of texts shorter than
    ``SHINGLE_WORDS`` words only the same ones are alike.
    """
    return _alike(one.answer, other.answer) and _alike(one.prompt, other.prompt)


def _alike(one: str, other: str) -> bool:
    if min(len(one.split()), len(other.split())) < SHINGLE_WORDS:
        return normalised(one) == normalised(other)
    return similarity(one, other) >= NEAR


def _leave_out(group: Sequence[int], kept: Kept, read: Callable[[int], Conversation]) -> None:
    compared: deque[int] = deque(maxlen=MOST_COMPARED)
    for index in group:
        if any(is_near(read(index), read(other)) for other in compared):
            kept[index] = False
        else:
            compared.append(index)


def _groups(keys: Hashes, kept: Kept) -> Iterator[list[int]]:
    """Yield the kept records of each key that several have, in their order."""
    indexes = np.flatnonzero(kept & (keys != _NO_BAND))
    ordered = indexes[np.argsort(keys[indexes], kind="stable")]
    starts = np.flatnonzero(np.diff(keys[ordered], prepend=_NO_BAND))
    sizes = np.diff(starts, append=len(ordered))
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        yield ordered[start : start + size].tolist()


def _bands(runs: Shingles) -> npt.NDArray[np.uint64]:
    """Return the keys of each text's bands, in rows; zeros for a text without a run of words."""
    counts = np.diff(runs.starts)
    some = counts > 0
    keys = np.zeros((len(counts), BANDS), np.uint64)
    if not some.any():
        return keys
    least = [np.minimum.reduceat(runs.hashes * factor, runs.starts[:-1][some]) for factor in _FACTORS]
    for band in range(BANDS):
        key = np.full(int(some.sum()), band + 1, np.uint64)
        for row in range(ROWS):
            key = (key ^ least[band * ROWS + row]) * _BAND_FACTOR
        keys[some, band] = key | np.uint64(1)
    return keys


def _whole(conversation: Conversation) -> str:
    return "\0".join(f"{role}\0{normalised(content)}" for role, content in conversation.messages)
