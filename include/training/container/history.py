"""What a training has measured so far, and whether its loss still falls."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from include.training.container.errors import LossDivergedError, LossNotFiniteError

WINDOW = 20
"""Steps whose mean loss is compared with the lowest such mean."""
SMALLEST_RISE = 1.0
"""In nats per token: below a loss of 1, a rise to the double is no divergence yet."""
_CURVE_POINTS = 200


@dataclass
class History:
    """The losses of each step from 1 on, the held-out losses by step, and the seconds of all attempts together.

    ``resumed_at`` are the steps after which later attempts began.
    """

    train: list[float] = field(default_factory=list)
    held_out: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    resumed_at: list[int] = field(default_factory=list)

    def add(self, loss: float, gradient_norm: float) -> None:
        """Add the loss of the next step.

        Raises:
            LossNotFiniteError: the loss or the gradient is NaN or infinite.
            LossDivergedError: the mean loss of the last steps is far above the lowest so far.
        """
        step = len(self.train) + 1
        for what, value in (("loss", loss), ("gradient", gradient_norm)):
            if not math.isfinite(value):
                raise LossNotFiniteError(step, what, value)
        self.train.append(loss)
        if step % WINDOW == 0:
            self._check_falling(step)

    def _check_falling(self, step: int) -> None:
        means = [_mean(self.train[end - WINDOW : end]) for end in range(WINDOW, step + 1, WINDOW)]
        if means[-1] > min(means) + max(SMALLEST_RISE, min(means)):
            raise LossDivergedError(step, min(means), means[-1])

    def curve(self) -> list[tuple[int, float]]:
        """Return at most 200 points of the training loss: the mean of equal numbers of steps, by their last step."""
        size = math.ceil(len(self.train) / _CURVE_POINTS) or 1
        ends = [min(begin + size, len(self.train)) for begin in range(0, len(self.train), size)]
        return [(end, _mean(self.train[max(0, end - size) : end])) for end in ends]


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
