"""The proof of a merge: each changed tensor, read back from what was written, is base + delta within rounding."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future

import numpy as np
import torch
from pydantic import BaseModel

from include.checkpoint.adapter import Adapter
from include.checkpoint.errors import AdapterEmptyError, MergeUnprovenError, NonFiniteError
from include.checkpoint.lora_math import BlockChange, bits, is_finite, one_torch_thread, row_blocks
from include.checkpoint.merge_plan import ChangeKind, TensorChange
from include.checkpoint.tensor_changes import RowReader
from include.checkpoint.torch_tensors import bytes_of

SAMPLED_ROWS = 4
BLOCKS_AHEAD = 3
# Unit roundoff of a dtype, and the spacing below which it has no smaller numbers.
_ROUNDOFF = {"F32": 2.0**-24, "F16": 2.0**-11, "BF16": 2.0**-8}
_SMALLEST = {"F32": 2.0**-149, "F16": 2.0**-24, "BF16": 2.0**-133}


class TensorProof(BaseModel, frozen=True):
    """One changed tensor; ``largest_deviation`` is in parts of what rounding allows, so at most 1."""

    name: str
    kind: ChangeKind
    elements: int
    changed_elements: int
    sampled_rows: int
    largest_deviation: float


class MergeProof(BaseModel, frozen=True):
    """What was checked of a merge, small enough to travel with the model."""

    changed_tensors: int
    unchanged_tensors: int
    changed_bytes: int
    total_bytes: int
    largest_deviation: float
    overlay_sha256: str
    tensors: tuple[TensorProof, ...]

    def summary(self) -> str:
        """One line for a log or a note."""
        return (
            f"Merged {self.changed_tensors} tensors ({self.changed_bytes:,} of {self.total_bytes:,} bytes), each read "
            f"back and found to be base + delta within {self.largest_deviation:.2f} of the allowed rounding; "
            f"{self.unchanged_tensors} tensors are the base's own bytes."
        )


class ChangeCount:
    """Counts the changed elements of a tensor while its blocks pass by."""

    def __init__(self, change: TensorChange) -> None:
        self._change = change
        self.elements = self.changed = 0

    def blocks(self, apply: BlockChange, base: RowReader, pool: Executor) -> Iterator[memoryview]:
        """The merged tensor's bytes, block by block, computed in ``pool``; raises NonFiniteError."""

        def block(start: int, rows: int) -> tuple[torch.Tensor, int]:
            before = base(start, rows)
            after = apply(before, start)
            if not is_finite(after):
                raise NonFiniteError(self._change.name, f"NaN or infinity in rows {start} to {start + rows}")
            return after, int(np.count_nonzero(bits(after) != bits(before)))

        spans = list(row_blocks(self._change.shape))
        for after, changed in _ahead(pool, block, spans) if len(spans) > 1 else (block(*span) for span in spans):
            self.elements += after.numel()
            self.changed += changed
            yield bytes_of(after)


def _ahead(
    pool: Executor, block: Callable[[int, int], tuple[torch.Tensor, int]], spans: list[tuple[int, int]]
) -> Iterator[tuple[torch.Tensor, int]]:
    """The blocks in order, a few of them computed ahead, each in one thread.

    A tensor of one block is computed as torch computes it alone: its bits may depend on how many threads share it.
    """
    pending: deque[Future[tuple[torch.Tensor, int]]] = deque()
    with one_torch_thread():
        for start, rows in spans:
            pending.append(pool.submit(block, start, rows))
            if len(pending) > BLOCKS_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def prove_tensor(
    adapter: Adapter, change: TensorChange, apply: BlockChange, base: RowReader, merged: RowReader, count: ChangeCount
) -> TensorProof:
    """The proof that the rows written are the rows wanted, on sampled rows; raises MergeUnprovenError."""
    rows = change.shape[0]
    sampled = sorted({(rows - 1) * step // max(SAMPLED_ROWS - 1, 1) for step in range(SAMPLED_ROWS)})
    worst = 0.0
    for row in sampled:
        expected, allowed = _expected(adapter, change, apply, base(row, 1), row)
        found = merged(row, 1).double().numpy().reshape(expected.shape)
        deviation = float(np.max(np.abs(found - expected) / allowed, initial=0.0))
        if not deviation <= 1.0:
            raise MergeUnprovenError(change.name, f"row {row} as base + delta", f"{deviation:.1f} times the rounding")
        worst = max(worst, deviation)
    return TensorProof(
        name=change.name,
        kind=change.kind,
        elements=count.elements,
        changed_elements=count.changed,
        sampled_rows=len(sampled),
        largest_deviation=worst,
    )


def _expected(
    adapter: Adapter, change: TensorChange, apply: BlockChange, base: torch.Tensor, row: int
) -> tuple[np.ndarray, np.ndarray]:
    """The merged row in float64 by numpy, and how far rounding may take the stored one from it."""
    exact = base.double().numpy().reshape(-1)
    if change.kind in ("replace", "bias", "rows", "copy"):
        wanted = apply(base, row).double().numpy().reshape(-1)
        return wanted, np.full_like(wanted, _SMALLEST[change.dtype] / 4)
    left, right = _factors(adapter, change, row)
    scaling = adapter.config.scaling(change.module)
    delta = scaling * (left @ right)
    # Rounding in the float32 product and sum: https://nhigham.com/2020/08/04/what-is-numerical-stability/
    terms = abs(scaling) * (np.abs(left) @ np.abs(right)) + np.abs(exact)
    float_error = (len(left) + 4) * _ROUNDOFF["F32"] * terms
    wanted = exact + delta
    if change.kind == "embedding":
        float_error = float_error + _rounding(change.dtype, delta)
    if change.kind == "dora":
        factor = float(adapter.tensor(change.module, "magnitude").double()[row]) / np.linalg.norm(wanted)
        wanted = wanted * factor
        float_error = float_error * abs(factor) + (len(wanted) + 8) * _ROUNDOFF["F32"] * np.abs(wanted)
    return wanted, float_error + _rounding(change.dtype, np.abs(wanted) + float_error)


def _factors(adapter: Adapter, change: TensorChange, row: int) -> tuple[np.ndarray, np.ndarray]:
    if change.kind == "embedding":
        lora_a = adapter.tensor(change.module, "lora_embedding_A")[:, row].double().numpy()
        return lora_a, adapter.tensor(change.module, "lora_embedding_B").double().numpy().T
    lora_b = adapter.tensor(change.module, "lora_B")[row].double().numpy()
    return lora_b, adapter.tensor(change.module, "lora_A").double().numpy()


def _rounding(dtype: str, value: np.ndarray) -> np.ndarray:
    rounding: np.ndarray = np.maximum(np.abs(value) * _ROUNDOFF[dtype], _SMALLEST[dtype] / 2)
    return rounding


def prove_merge(
    proofs: list[TensorProof], tensors: int, total_bytes: int, sha256: str, changed_bytes: int
) -> MergeProof:
    """The proof of the whole; raises AdapterEmptyError when not one element changed."""
    if not any(proof.changed_elements for proof in proofs):
        names = ", ".join(proof.name for proof in proofs[:3])
        raise AdapterEmptyError(names, f"the base's own values in all {len(proofs)} tensors")
    return MergeProof(
        changed_tensors=len(proofs),
        unchanged_tensors=tensors - len(proofs),
        changed_bytes=changed_bytes,
        total_bytes=total_bytes,
        largest_deviation=max(proof.largest_deviation for proof in proofs),
        overlay_sha256=sha256,
        tensors=tuple(proofs),
    )
