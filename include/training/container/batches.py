"""Decides which examples each step, forward pass and process takes.

All of it follows from the lengths, the seed and the step: a resumed run needs no stored position but the step's
number, and neither packing nor the number of processes changes what a step trains on.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from include.training.container.examples import Integers
from include.training.container.settings import Settings

Row = list[int]
"""Examples that stand end to end in one row of a forward pass."""
Rows = list[Row]


@dataclass(frozen=True)
class StepPlan:
    """The examples of every step of a training: ``orders`` by epoch, ``parts`` as (epoch, first, last) by step."""

    orders: list[Integers]
    parts: list[tuple[int, int, int]]

    def __len__(self) -> int:
        return len(self.parts)

    def examples(self, step: int) -> list[int]:
        """Return the examples of a step; the first step is 1."""
        epoch, first, last = self.parts[step - 1]
        return [int(index) for index in self.orders[epoch][first:last]]


def plan_steps(lengths: Integers, settings: Settings) -> StepPlan:
    """Return a plan in which each epoch sees every example once, in an order of its own; the last may be a part."""
    orders, parts = [], []
    for epoch in range(math.ceil(settings.epochs)):
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(lengths))
        share = min(1.0, settings.epochs - epoch)
        order = order[: math.ceil(share * len(order))]
        ends = _ends(lengths[order], settings.batch_tokens)
        orders.append(order)
        parts += [(epoch, first, last) for first, last in zip([0, *ends], ends, strict=False)]
    return StepPlan(orders, parts)


def _ends(lengths: Integers, batch_tokens: int) -> list[int]:
    """Return where each step ends: before the example that would exceed ``batch_tokens``."""
    totals = np.cumsum(lengths)
    ends: list[int] = []
    while not ends or ends[-1] < len(lengths):
        before = int(totals[ends[-1] - 1]) if ends else 0
        end = int(np.searchsorted(totals, before + batch_tokens, side="right"))
        ends.append(max(end, ends[-1] + 1 if ends else 1))
    return ends


def forward_passes(
    examples: Sequence[int], lengths: Integers, settings: Settings, rank: int, world: int
) -> list[Rows | None]:
    """Return the rows of each forward pass of one process; None where it has nothing left while another has.

    All processes make the same number of passes, because sharded layers are gathered by all of them together.
    """
    sizes = {index: int(lengths[index]) for index in examples}
    even = math.ceil(sum(sizes.values()) / world)
    capacity = max(min(settings.max_sequence_length, even), *sizes.values(), 1)
    passes = _packed(sizes, capacity) if settings.packing else _padded(sizes, capacity)
    mine: list[Rows | None] = [*passes[rank::world]]
    return mine + [None] * (math.ceil(len(passes) / world) - len(mine))


def _by_length(sizes: dict[int, int]) -> list[int]:
    return sorted(sizes, key=lambda index: (-sizes[index], index))


def _packed(sizes: dict[int, int], capacity: int) -> list[Rows]:
    """Return passes of one row each: the longest example first, each into the row that it fills best."""
    rows: Rows = []
    room: list[tuple[int, int]] = []
    for index in _by_length(sizes):
        place = bisect_left(room, (sizes[index], -1))
        free, row = room.pop(place) if place < len(room) else (capacity, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(index)
        insort(room, (free - sizes[index], row))
    return [[row] for row in rows]


def _padded(sizes: dict[int, int], capacity: int) -> list[Rows]:
    """Return passes of one example a row, of similar lengths; with its padding, no pass exceeds ``capacity``."""
    passes: list[Rows] = []
    for index in _by_length(sizes):
        longest = sizes[passes[-1][0][0]] if passes else 0
        if passes and (len(passes[-1]) + 1) * longest <= capacity:
            passes[-1].append([index])
        else:
            passes.append([[index]])
    return passes
