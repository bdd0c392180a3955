"""What a version's page shows of the fine-tune that its adapter comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Losses:
    """The losses after a step, in nats per token; ``held_out`` is measured at some steps only."""

    step: int
    train: float
    held_out: float | None = None


@dataclass(frozen=True)
class LengthHistogram:
    """Lengths of the examples in tokens: bin i counts those with ``edges[i] <= length < edges[i + 1]``."""

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    limit: int
    caption: str


@dataclass(frozen=True)
class SplitSide:
    """One side of the split: what is trained on, or what is held out."""

    name: str
    examples: int
    tokens: int
    trained_tokens: int


@dataclass(frozen=True)
class TrainingContent:
    """The section about the training. ``summary`` is its outcome in a sentence.

    The parts about the data are empty where the report of their preparation cannot be read. ``sample`` is an example
    as the model saw it, in pieces, each with whether it is trained.
    """

    summary: str
    losses: tuple[Losses, ...]
    facts: tuple[tuple[str, str], ...]
    lengths: LengthHistogram | None = None
    sides: tuple[SplitSide, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    sample: tuple[tuple[str, bool], ...] = ()
