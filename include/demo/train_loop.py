"""Train a causal language model to answer questions; only answers count in the loss."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from include.demo.questions import Question
from include.demo.train_tokenizer import END_INST, EOS, INST

log = logging.getLogger(__name__)

_IGNORED = -100
"""The label that transformers' loss passes over."""
_LOG_EVERY = 50


@dataclass(frozen=True)
class Schedule:
    """Number of steps, learning rate, batch size and seed of a training."""

    steps: int
    batch_size: int
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class Example:
    """Token ids of question and answer, and the labels of the answer alone."""

    token_ids: list[int]
    labels: list[int]


def prompt_of(question: Question) -> str:
    """Return the prompt, without ``<s>``."""
    return f"{INST} {question.question} {END_INST}"


def text_of(question: Question) -> str:
    """Return prompt and answer, without ``<s>``."""
    return f"{prompt_of(question)} {question.answer}{EOS}"


def encode(question: Question, tokenizer: Any) -> Example:
    """Return ``question`` as token ids; ``[/INST]`` is one token, so the prompt's ids begin the whole text's."""
    token_ids = tokenizer(text_of(question)).input_ids
    prompt_length = len(tokenizer(prompt_of(question)).input_ids)
    return Example(token_ids, [_IGNORED] * prompt_length + token_ids[prompt_length:])


def fit(
    model: Any,
    examples: Sequence[Example],
    schedule: Schedule,
    after_step: Callable[[int], None] = lambda step: None,
) -> None:
    """Train those parameters of ``model`` that require gradients; call ``after_step`` with each step's number."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.learning_rate)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.learning_rate, total_steps=schedule.steps, pct_start=0.1
    )
    model.train()
    for step, batch in enumerate(_batches(examples, schedule), start=1):
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, max_norm=1.0)
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
        if step % _LOG_EVERY == 0:
            log.info("step %d of %d, loss %.4f", step, schedule.steps, loss.item())
        after_step(step)
    model.eval()


def _batches(examples: Sequence[Example], schedule: Schedule) -> Iterator[dict[str, torch.Tensor]]:
    """Yield one batch per step; every example is used once per epoch."""
    shuffler = random.Random(schedule.seed)
    waiting: list[Example] = []
    for _ in range(schedule.steps):
        while len(waiting) < schedule.batch_size:
            waiting += shuffler.sample(examples, len(examples))
        batch, waiting = waiting[: schedule.batch_size], waiting[schedule.batch_size :]
        yield _pad(batch)


def _pad(batch: Sequence[Example]) -> dict[str, torch.Tensor]:
    length = max(len(example.token_ids) for example in batch)
    gaps = [length - len(example.token_ids) for example in batch]
    rows = list(zip(batch, gaps, strict=True))
    return {
        "input_ids": torch.tensor([example.token_ids + [0] * gap for example, gap in rows]),
        "attention_mask": torch.tensor([[1] * (length - gap) + [0] * gap for gap in gaps]),
        "labels": torch.tensor([example.labels + [_IGNORED] * gap for example, gap in rows]),
    }
