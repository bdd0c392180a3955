from __future__ import annotations

import dataclasses
from itertools import chain

import numpy as np
import pytest

from include.training.container.batches import StepPlan, forward_passes, plan_steps
from include.training.container.settings import Lora, Settings
from tests.support.tiny_training import SETTINGS

TRAINING = Settings(**SETTINGS | {"lora": Lora(**SETTINGS["lora"])})
LENGTHS = np.random.default_rng(5).integers(2, 65, size=200)


def examples_of(plan: StepPlan) -> list[list[int]]:
    return [plan.examples(step) for step in range(1, len(plan) + 1)]


def test_an_epoch_sees_every_example_once_in_an_order_of_its_own() -> None:
    plan = plan_steps(LENGTHS, dataclasses.replace(TRAINING, epochs=3))
    epochs = [list(chain.from_iterable(plan.examples(n + 1) for n, part in enumerate(plan.parts) if part[0] == epoch))
              for epoch in range(3)]  # fmt: skip
    assert [sorted(epoch) for epoch in epochs] == [list(range(200))] * 3
    assert epochs[0] != epochs[1] != epochs[2]


def test_half_an_epoch_sees_half_of_the_examples() -> None:
    assert sum(map(len, examples_of(plan_steps(LENGTHS, dataclasses.replace(TRAINING, epochs=1.5))))) == 300


def test_a_step_is_as_large_as_batch_tokens_allows_and_holds_an_example_at_least() -> None:
    steps = examples_of(plan_steps(LENGTHS, dataclasses.replace(TRAINING, epochs=1)))
    sizes = [int(LENGTHS[step].sum()) for step in steps]
    assert max(sizes) <= TRAINING.batch_tokens
    following = [sizes[n] + int(LENGTHS[steps[n + 1][0]]) for n in range(len(steps) - 1)]
    assert min(following) > TRAINING.batch_tokens
    assert [len(step) for step in examples_of(plan_steps(np.array([500, 600]), TRAINING))] == [1] * 4


def test_the_plan_follows_from_the_seed() -> None:
    again, other = plan_steps(LENGTHS, TRAINING), plan_steps(LENGTHS, dataclasses.replace(TRAINING, seed=12))
    assert examples_of(plan_steps(LENGTHS, TRAINING)) == examples_of(again) != examples_of(other)


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_a_step_trains_on_the_same_examples_whatever_the_packing_and_the_processes(packing: bool, world: int) -> None:
    settings = dataclasses.replace(TRAINING, packing=packing, batch_tokens=512)
    for step in examples_of(plan_steps(LENGTHS, settings)):
        shares = [forward_passes(step, LENGTHS, settings, rank, world) for rank in range(world)]
        assert len({len(share) for share in shares}) == 1
        rows = [row for share in shares for passed in share if passed for row in passed]
        assert sorted(chain.from_iterable(rows)) == sorted(step)
        for passed in filter(None, chain.from_iterable(shares)):
            assert len(passed) * max(int(LENGTHS[row].sum()) for row in passed) <= settings.max_sequence_length
            assert packing or all(len(row) == 1 for row in passed)


def test_packing_fills_most_of_every_row() -> None:
    settings = dataclasses.replace(TRAINING, max_sequence_length=3072)
    lengths = np.random.default_rng(5).integers(20, 800, size=500)
    passes = forward_passes(range(500), lengths, settings, 0, 1)
    assert lengths.sum() / (len(passes) * 3072) > 0.97
