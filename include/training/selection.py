"""Which records are trained, which are held out, and which are not used: decided by their content and the seed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from include.training.conversations import Conversation, normalised
from include.training.shingles import hash_text

_HASHES = 2**64


class Draw:
    """Remembers two numbers of each record, which follow from its content and the seed.

    A record's side of the split does not change when others are added, removed or put in another order. Records that
    ask the same are on the same side.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sides = array("Q")
        self._orders = array("Q")

    def add(self, conversations: Sequence[Conversation]) -> None:
        """Remember these records."""
        for conversation in conversations:
            asked = normalised("\n".join(conversation.questions))
            self._sides.append(hash_text(f"{self._seed}\0side\0{asked}"))
            self._orders.append(hash_text(f"{self._seed}\0order\0{asked}\0{normalised(conversation.answer)}"))

    def drawn(self, kept: npt.NDArray[np.bool_], count: int | None) -> npt.NDArray[np.bool_]:
        """Return ``count`` of the ``kept`` records; all of them without a count."""
        indexes = np.flatnonzero(kept)
        if count is None or count >= len(indexes):
            return kept
        orders = np.frombuffer(self._orders, np.uint64)[indexes]
        chosen = np.zeros(len(kept), np.bool_)
        chosen[indexes[np.argsort(orders, kind="stable")[:count]]] = True
        return chosen

    def held_out(self, share: float) -> npt.NDArray[np.bool_]:
        """Return which records are held out: about this share of them."""
        return np.frombuffer(self._sides, np.uint64) < np.uint64(int(share * _HASHES))
