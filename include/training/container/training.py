"""Trains step by step: losses, checkpoints, evaluation on the held-out examples, and the end on SIGTERM."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from include.training.container.adapter_model import evaluating, trained_parameters
from include.training.container.batches import Rows, StepPlan, forward_passes
from include.training.container.examples import Examples
from include.training.container.forward import Batch, collate, token_losses, without_targets
from include.training.container.history import History
from include.training.container.metrics import metric_line
from include.training.container.processes import Processes
from include.training.container.rates import learning_rate
from include.training.container.settings import Settings
from include.training.container.stopping import StopSignal

MAX_GRADIENT_NORM = 1.0
EVALUATIONS = 10
"""How often the held-out loss is measured after steps, at even distances; it is measured before the first step too."""


@dataclass
class Training:
    """One training in one of its processes; ``save`` writes a checkpoint, with all processes taking part."""

    settings: Settings
    processes: Processes
    model: Any
    optimizer: torch.optim.Optimizer
    train: Examples
    held_out: Examples | None
    plan: StepPlan
    history: History
    save: Callable[[], None]
    stop: StopSignal = field(default_factory=StopSignal)

    def run(self) -> bool:
        """Train to the last step and return True; False after a checkpoint because the job has to stop."""
        steps = len(self.plan)
        evaluations = {round(steps * number / EVALUATIONS) for number in range(EVALUATIONS + 1)}
        self.model.train()
        started = saved = time.monotonic()
        while True:
            step = len(self.history.train)
            stopped = step in evaluations and not self._evaluate(step)
            if not stopped and step == steps:
                return True
            stopped = stopped or not self._train_step(step + 1)
            now = time.monotonic()
            due = now - saved >= self.settings.save_minutes * 60 or len(self.history.train) == steps
            [due] = self.processes.any(self.processes.is_first and due)
            self.history.seconds, started = self.history.seconds + now - started, now
            if (due or stopped) and self.history.train:
                self.save()
                saved = time.monotonic()
            if stopped:
                return False

    def _must_stop(self) -> bool:
        return self.processes.any(self.stop.arrived)[0]

    def _train_step(self, step: int) -> bool:
        """Change the weights once and return True; False, without a change, when the job has to stop."""
        started, examples = time.monotonic(), self.plan.examples(step)
        targets = max(1, int(self.train.targets[examples].sum()))
        torch.manual_seed(step_seed(self.settings.seed, step, self.processes.rank))
        loss = torch.zeros((), device=self.processes.device)
        for rows in self._passes(examples, self.train):
            if self._must_stop():
                self.optimizer.zero_grad()
                return False
            losses, _ = token_losses(self.model, self._batch(rows, examples, self.train), self.processes.device)
            # FSDP averages the gradients over the processes; a token counts the same in whichever it is.
            torch.autograd.backward(losses.sum() * self.processes.world / targets)
            loss += losses.detach().sum() / targets
        rate = learning_rate(step, len(self.plan), self.settings.learning_rate, self.settings.warmup)
        norm = self._gradient_norm()
        self.history.add(self.processes.total(loss.item())[0], norm)
        self._update(rate)
        speed = int(self.train.lengths[examples].sum()) / (time.monotonic() - started)
        values = {"learning_rate": rate, "gradient_norm": norm, "tokens_per_second": round(speed, 1)}
        self._print(step, train_loss=self.history.train[-1], **values)
        return True

    def _gradient_norm(self) -> float:
        """Clip the gradients, and return their norm from before."""
        norm = torch.nn.utils.clip_grad_norm_(trained_parameters(self.model).values(), MAX_GRADIENT_NORM)
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def _update(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _evaluate(self, step: int) -> bool:
        """Measure the held-out loss after a step unless it is known; False when the job has to stop."""
        if self.held_out is None or step in self.history.held_out:
            return True
        everything, loss = list(range(len(self.held_out))), torch.zeros((), dtype=torch.float64)
        with evaluating(self.model):
            for rows in self._passes(everything, self.held_out):
                if self._must_stop():
                    return False
                batch = self._batch(rows, everything, self.held_out)
                loss += token_losses(self.model, batch, self.processes.device)[0].sum().cpu()
        [total] = self.processes.total(loss.item())
        self.history.held_out[step] = total / int(self.held_out.targets.sum())
        self._print(step, held_out_loss=self.history.held_out[step])
        return True

    def _passes(self, examples: list[int], source: Examples) -> list[Rows | None]:
        return forward_passes(examples, source.lengths, self.settings, self.processes.rank, self.processes.world)

    def _batch(self, rows: Rows | None, examples: list[int], source: Examples) -> Batch:
        if rows is not None:
            return collate(rows, source)
        return without_targets(collate([[min(examples, key=lambda index: int(source.lengths[index]))]], source))

    def _print(self, step: int, **values: float) -> None:
        if self.processes.is_first:
            print(metric_line(step, len(self.plan), **values), flush=True)


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of a step's dropout in one process: what a resumed run draws does not depend on the past."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{step}:{rank}".encode()).digest()[:7], "big")
