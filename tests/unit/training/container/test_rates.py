from __future__ import annotations

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup

from include.training.container.rates import learning_rate


@pytest.mark.parametrize(("steps", "warmup"), [(50, 0.1), (50, 0), (7, 0.5), (1, 0.03)])
def test_the_rate_is_that_of_transformers_cosine_schedule(steps: int, warmup: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3.0)
    warm = -(-steps * warmup // 1)
    schedule = get_cosine_schedule_with_warmup(optimizer, int(warm), steps + 1)
    for step in range(1, steps + 1):
        optimizer.step()
        schedule.step()  # its step 0 has rate 0, and trains nothing
        assert learning_rate(step, steps, 3.0, warmup) == pytest.approx(schedule.get_last_lr()[0])
        assert learning_rate(step, steps, 3.0, warmup) > 0
