"""Runs examples through the model so that each attends to itself alone, and returns the loss of every trained token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from include.training.container.batches import Rows
from include.training.container.examples import Examples

IGNORED = -100
_PADDING = -1


@dataclass(frozen=True)
class Batch:
    """The inputs of one forward pass, of shape (rows, length).

    ``owner`` is the example that each token is of, -1 for padding; ``labels`` is the token that follows it in the same
    example where that one counts in the loss, IGNORED elsewhere.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    owner: torch.Tensor
    labels: torch.Tensor


def collate(rows: Rows, examples: Examples) -> Batch:
    """Return the inputs of the forward pass over these rows."""
    length = max(sum(int(examples.lengths[index]) for index in row) for row in rows)
    shape = (len(rows), length)
    tokens, positions = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    owner, labels = torch.full(shape, _PADDING), torch.full(shape, IGNORED)
    for number, row in enumerate(rows):
        begin = 0
        for index in row:
            stored, trained = (torch.from_numpy(array.astype("int64")) for array in examples.example(index))
            part = slice(begin, begin + len(stored))
            tokens[number, part], owner[number, part] = stored, index
            positions[number, part] = torch.arange(len(stored))
            labels[number, begin : part.stop - 1] = torch.where(trained[1:] == 1, stored[1:], IGNORED)
            begin = part.stop
    return Batch(tokens, positions, owner, labels)


def without_targets(batch: Batch) -> Batch:
    """Return the batch with no token in the loss: for a process that only has to take part in a forward pass."""
    return Batch(batch.tokens, batch.positions, batch.owner, torch.full_like(batch.labels, IGNORED))


def attention_mask(owner: torch.Tensor, window: int | None, dtype: torch.dtype) -> torch.Tensor:
    """Return what is added to the attention scores, of shape (rows, 1, length, length).

    0 where a token may attend: to itself and to earlier tokens of its own example, at most ``window`` of them. The
    lowest number of the dtype elsewhere.
    """
    place = torch.arange(owner.shape[1], device=owner.device)
    distance = place[:, None] - place[None, :]
    near = distance >= 0 if window is None else (distance >= 0) & (distance < window)
    allowed = near & (owner[:, :, None] == owner[:, None, :])
    mask = torch.zeros(allowed.shape, dtype=dtype, device=owner.device)
    return mask.masked_fill_(~allowed, torch.finfo(dtype).min)[:, None]


def attention_window(config: Any) -> int | None:
    """Return how many tokens a token of this model attends to, itself included; None without a limit."""
    window = getattr(config, "sliding_window", None)
    return int(window) if window and getattr(config, "use_sliding_window", True) else None


def token_losses(model: Any, batch: Batch, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of each token, 0 where it does not count, and the example that it is of.

    Both have a row for each of the batch's and a column for each position at which any row has a label: only there are
    logits computed, which are the largest part of memory with a long text and a short answer.
    """
    kept = (batch.labels != IGNORED).any(dim=0).nonzero().flatten()
    kept = kept if len(kept) else torch.zeros(1, dtype=torch.long)
    dtype = model.get_input_embeddings().weight.dtype
    mask = attention_mask(batch.owner.to(device), attention_window(model.config), dtype)
    logits = model(
        input_ids=batch.tokens.to(device),
        attention_mask=mask,
        position_ids=batch.positions.to(device),
        use_cache=False,
        logits_to_keep=kept.to(device),
    ).logits
    labels = batch.labels[:, kept].to(device)
    losses = cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none")
    return losses.view(labels.shape), batch.owner[:, kept]
