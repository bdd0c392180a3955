from __future__ import annotations

import math

import pytest

from include.training.container.errors import LossDivergedError, LossNotFiniteError
from include.training.container.history import WINDOW, History


def add_all(history: History, losses: list[float]) -> None:
    for loss in losses:
        history.add(loss, 1.0)


@pytest.mark.parametrize(("loss", "norm", "named"), [(math.nan, 1.0, "loss of step 2"), (1.0, math.inf, "gradient")])
def test_a_loss_or_gradient_that_is_not_finite_ends_the_training(loss: float, norm: float, named: str) -> None:
    history = History([1.0])
    with pytest.raises(LossNotFiniteError, match=named):
        history.add(loss, norm)
    assert history.train == [1.0]


def test_a_loss_that_rises_far_above_its_lowest_ends_the_training() -> None:
    with pytest.raises(LossDivergedError, match=r"Found: 5\.0000"):
        add_all(History(), [3.0] * WINDOW + [2.0] * WINDOW + [5.0] * WINDOW)


@pytest.mark.parametrize("losses", [[2.0, 3.9], [0.01, 0.9], [8.0, 2.0, 2.5]])
def test_a_loss_that_wavers_does_not_end_the_training(losses: list[float]) -> None:
    add_all(History(), [loss for loss in losses for _ in range(WINDOW)])


def test_a_single_step_with_a_high_loss_does_not_end_the_training() -> None:
    add_all(History(), [2.0] * WINDOW + [20.0] + [2.0] * (WINDOW - 1))


def test_the_curve_has_few_points_and_the_same_mean_as_all_steps() -> None:
    losses = [float(number) for number in range(1000)]
    curve = History(losses).curve()
    assert len(curve) == 200
    assert curve[-1] == (1000, 997.0)
    assert sum(loss for _, loss in curve) / 200 == sum(losses) / 1000
    assert History([3.0, 2.0]).curve() == [(1, 3.0), (2, 2.0)]
    assert History().curve() == []
