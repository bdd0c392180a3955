"""Prove a merge: each changed tensor, read back from the output, is base + delta within rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from include.checkpoint.errors import AdapterEmptyError, MergeUnprovenError
from include.checkpoint.lora.adapter import Adapter
from include.checkpoint.lora.merge_plan import ChangeKind, TensorChange
from include.checkpoint.lora.tensor_changes import ChangedTensor, RowReader

SAMPLED_ROWS = 4
# Unit roundoff of a dtype, and the spacing below which it has no smaller numbers.
_ROUNDOFF = {"F32": 2.0**-24, "F16": 2.0**-11, "BF16": 2.0**-8}
_SMALLEST = {"F32": 2.0**-149, "F16": 2.0**-24, "BF16": 2.0**-133}


@dataclass(frozen=True)
class TensorProof:
    """One changed tensor; ``largest_deviation`` is relative to the allowed rounding error, so at most 1."""

    name: str
    kind: ChangeKind
    elements: int
    changed_elements: int
    sampled_rows: int
    largest_deviation: float


@dataclass(frozen=True)
class MergeProof:
    """The proof of a merge, small enough to be stored with the model.

    ``by_peft``: peft merged the model in memory, and what was written was compared with its result.
    """

    changed_tensors: int
    unchanged_tensors: int
    changed_bytes: int
    total_bytes: int
    largest_deviation: float
    overlay_sha256: str
    adapter_tensors: int
    by_peft: bool
    tensors: tuple[TensorProof, ...]

    def summary(self) -> str:
        """Return one line for a log or a note."""
        if self.by_peft:
            found = f"what peft merged; peft placed all {self.adapter_tensors} tensors of the adapter"
        else:
            found = f"base + delta within {self.largest_deviation:.2f} of the allowed rounding"
            found += f"; all {self.adapter_tensors} tensors of the adapter were used"
        return (
            f"Merged {self.changed_tensors} tensors ({self.changed_bytes:,} of {self.total_bytes:,} bytes), each read "
            f"back and found to be {found}; {self.unchanged_tensors} tensors are the base's own bytes."
        )


@dataclass(frozen=True)
class Counts:
    """The amounts that a merge read and wrote."""

    tensors: int
    bytes: int
    changed_bytes: int
    adapter_tensors: int


def prove_tensor(adapter: Adapter, tensor: ChangedTensor, merged: RowReader) -> TensorProof:
    """Prove on sampled rows that the written rows are the expected ones; raises MergeUnprovenError."""
    change = tensor.change
    last = change.shape[0] - 1
    sampled = sorted({last * step // max(SAMPLED_ROWS - 1, 1) for step in range(SAMPLED_ROWS)})
    base = _rows(tensor.base, sampled)
    found = _rows(merged, sampled).double().numpy().reshape(len(sampled), -1)
    expected, allowed = _expected(adapter, tensor, base, sampled)
    deviations = np.max(np.abs(found - expected) / allowed, axis=1, initial=0.0)
    for row, deviation in zip(sampled, deviations, strict=True):
        if not deviation <= 1.0:
            raise MergeUnprovenError(change.name, f"row {row} as base + delta", f"{deviation:.1f} times the rounding")
    return TensorProof(
        name=change.name,
        kind=change.kind,
        elements=tensor.elements,
        changed_elements=tensor.changed,
        sampled_rows=len(sampled),
        largest_deviation=float(np.max(deviations, initial=0.0)),
    )


def _rows(rows_of: RowReader, rows: list[int]) -> torch.Tensor:
    return torch.cat([rows_of(row, 1) for row in rows])


def _expected(
    adapter: Adapter, tensor: ChangedTensor, base: torch.Tensor, rows: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the merged rows in float64 by numpy, and the allowed rounding error."""
    change = tensor.change
    if change.kind in ("replace", "bias", "rows", "copy"):
        wanted = [tensor.apply(base[index : index + 1], row) for index, row in enumerate(rows)]
        exact = torch.cat(wanted).to(base.dtype).double().numpy().reshape(len(rows), -1)
        return exact, np.full_like(exact, _SMALLEST[change.dtype] / 4)
    exact = base.double().numpy().reshape(len(rows), -1)
    left, right = _factors(adapter, change, rows)
    scaling = adapter.config.scaling(change.module)
    delta = scaling * _product(left, right)
    # Rounding in the float32 product and sum: https://nhigham.com/2020/08/04/what-is-numerical-stability/
    terms = abs(scaling) * _product(np.abs(left), np.abs(right)) + np.abs(exact)
    float_error = (left.shape[1] + 4) * _ROUNDOFF["F32"] * terms
    wanted_rows = exact + delta
    if change.kind == "embedding":
        float_error = float_error + _rounding(change.dtype, delta)
    if change.kind == "dora":
        magnitude = adapter.tensor(change.module, "magnitude").double().numpy()[rows]
        factor = (magnitude / np.linalg.norm(wanted_rows, axis=1))[:, None]
        wanted_rows = wanted_rows * factor
        float_error = float_error * np.abs(factor) + (wanted_rows.shape[1] + 8) * _ROUNDOFF["F32"] * np.abs(wanted_rows)
    return wanted_rows, float_error + _rounding(change.dtype, np.abs(wanted_rows) + float_error)


def _factors(adapter: Adapter, change: TensorChange, rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
    if change.kind == "embedding":
        lora_a = adapter.tensor(change.module, "lora_embedding_A")[:, rows].double().numpy().T
        return lora_a, adapter.tensor(change.module, "lora_embedding_B").double().numpy().T
    lora_b = adapter.tensor(change.module, "lora_B")[rows].double().numpy()
    return lora_b, adapter.tensor(change.module, "lora_A").double().numpy()


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    # Not by BLAS: its threads wait for more work in a busy loop, and the merge needs the cores.
    product: np.ndarray = np.einsum("rk,kc->rc", left, right)
    return product


def _rounding(dtype: str, value: np.ndarray) -> np.ndarray:
    rounding: np.ndarray = np.maximum(np.abs(value) * _ROUNDOFF[dtype], _SMALLEST[dtype] / 2)
    return rounding


def prove_merge(proofs: list[TensorProof], counts: Counts, sha256: str, *, by_peft: bool) -> MergeProof:
    """Return the proof of the whole merge; raises AdapterEmptyError if no element changed."""
    if not any(proof.changed_elements for proof in proofs):
        names = ", ".join(proof.name for proof in proofs[:3])
        raise AdapterEmptyError(names, f"the base's own values in all {len(proofs)} tensors")
    return MergeProof(
        changed_tensors=len(proofs),
        unchanged_tensors=counts.tensors - len(proofs),
        changed_bytes=counts.changed_bytes,
        total_bytes=counts.bytes,
        largest_deviation=max(proof.largest_deviation for proof in proofs),
        overlay_sha256=sha256,
        adapter_tensors=counts.adapter_tensors,
        by_peft=by_peft,
        tensors=tuple(proofs),
    )
