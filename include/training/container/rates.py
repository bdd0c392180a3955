"""The learning rate of each step: a linear warm-up, then half a cosine down to almost zero."""

from __future__ import annotations

import math


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """Return the rate of a step from 1 to ``steps``; ``warmup`` is a share of the steps."""
    warm = math.ceil(warmup * steps)
    if step <= warm:
        return peak * step / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps + 1 - warm)))
