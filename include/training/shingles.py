"""Hashes of all runs of eight words in many texts at once: the measure of what two texts have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from include.training.conversations import words

Hashes = npt.NDArray[np.uint64]
#: Two texts rarely share eight consecutive words by chance.
SHINGLE_WORDS = 8
_FACTOR, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
#: Texts repeat their words, so those of a language fit, and the memory stays bounded.
_MOST_WORDS = 500_000


class Shingles(NamedTuple):
    """The hashes of several texts end to end: those of text i are ``hashes[starts[i]:starts[i + 1]]``."""

    hashes: Hashes
    starts: npt.NDArray[np.int64]

    def of(self, index: int) -> Hashes:
        """Return the hashes of one text."""
        return self.hashes[self.starts[index] : self.starts[index + 1]]


class _WordHashes(dict[str, int]):
    def __missing__(self, word: str) -> int:
        if len(self) >= _MOST_WORDS:
            self.clear()
        found = self[word] = hash_text(word)
        return found


_WORD_HASHES = _WordHashes()


def hash_text(text: str) -> int:
    """Return 64 bits that depend on the text alone, not on the process as ``hash`` does."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def shingles(texts: Sequence[str]) -> Shingles:
    """Return the hashes of every run of ``SHINGLE_WORDS`` words; a text of fewer words has none."""
    split = [words(text) for text in texts]
    lengths = np.array([len(text) for text in split], np.int64)
    hashed = np.fromiter(map(_WORD_HASHES.__getitem__, chain.from_iterable(split)), np.uint64, int(lengths.sum()))
    counts = np.maximum(lengths - SHINGLE_WORDS + 1, 0)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return Shingles(_rolled(hashed)[_whole_runs(lengths)], starts)


def _rolled(hashed: Hashes) -> Hashes:
    """Return for each word the hash of it and the words after it."""
    rolled, padded = np.zeros_like(hashed), np.pad(hashed, (0, SHINGLE_WORDS))
    for place in range(SHINGLE_WORDS):
        rolled = rolled * _FACTOR + padded[place : place + len(hashed)]
    return (rolled ^ (rolled >> np.uint64(31))) * _MIX


def _whole_runs(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which words have enough words after them in the same text."""
    ends = np.cumsum(lengths)
    left = np.repeat(ends, lengths) - np.arange(int(lengths.sum()))
    return np.asarray(left >= SHINGLE_WORDS)


def similarity(one: str, other: str) -> float:
    """Return the Jaccard index of two texts' runs of words; of short texts 1 where they are the same words, else 0."""
    both = shingles([one, other])
    first, second = (set(both.of(index).tolist()) for index in (0, 1))
    if not first or not second:
        return float(words(one) == words(other))
    return len(first & second) / len(first | second)
