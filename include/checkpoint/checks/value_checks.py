"""Samples of the tensors' values: enough to see a broken training, a fraction of the bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.checkpoint.checks.model_defects import NonFiniteError
from include.checkpoint.checks.weights import Weights
from include.checkpoint.files.arrays import from_bytes, is_finite
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.safetensors_header import DTYPE_BYTES
from include.checkpoint.files.tensors import StoredTensor

SAMPLE_BYTES = 16 * 2**10
MAX_SAMPLED = 1024
FLOATS = ("F32", "F16", "BF16", "F64")


def value_defects(weights: Weights, reader: RangeReader) -> Iterator[Defect]:
    """NonFiniteError for each sampled tensor that holds NaN or infinity."""
    floats = [stored for stored in weights.tensors.values() if stored.entry.dtype in FLOATS and stored.entry.size]
    step = max(-(-len(floats) // MAX_SAMPLED), 1)
    for stored in floats[::step]:
        sample = _sample(stored, reader)
        count = len(sample) // DTYPE_BYTES[stored.entry.dtype]
        if not is_finite(from_bytes(sample, stored.entry.dtype, (count,))):
            yield NonFiniteError(stored.file.name, f"finite numbers in {stored.entry.name}", "NaN or infinity")


def same_samples(tensors: Sequence[StoredTensor], reader: RangeReader) -> bool:
    """Whether the tensors hold the same bytes where they are sampled."""
    return len({_sample(stored, reader) for stored in tensors}) == 1


def _sample(stored: StoredTensor, reader: RangeReader) -> bytes:
    """A run of values from the middle of the tensor."""
    entry = stored.entry
    width = DTYPE_BYTES[entry.dtype]
    length = min(SAMPLE_BYTES, entry.size) // width * width
    start = (entry.size - length) // 2 // width * width
    return stored.read(start, length, reader)
