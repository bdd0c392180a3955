"""Sample the tensors' values: enough to detect a broken training, with a fraction of the bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.checks.model_defects import NonFiniteError
from include.checkpoint.checks.weights import EMBEDDINGS, Weights
from include.checkpoint.files.arrays import holds_finite
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.reading import CHUNK_SIZE, RangeReader
from include.checkpoint.files.safetensors_header import DTYPE_BYTES
from include.checkpoint.files.tensors import StoredTensor

SAMPLE_BYTES = 16 * 2**10
MAX_SAMPLED = 1024
# An answer of S3 takes tens of milliseconds, and a large model has two thousand samples.
READS_AT_ONCE = 8
# A row of these is used only when its token is: a damaged one stays unseen for long.
VOCABULARY = (*EMBEDDINGS, "lm_head.weight")
FLOATS = ("F32", "F16", "BF16", "F64")


def value_defects(weights: Weights, reader: RangeReader) -> Iterator[Defect]:
    """NonFiniteError for each tensor with NaN or infinity where it is read: sampled, or whole for a local embedding."""
    floats = [stored for stored in weights.tensors.values() if stored.entry.dtype in FLOATS and stored.entry.size]
    step = max(-(-len(floats) // MAX_SAMPLED), 1)
    whole = [stored for stored in floats if stored.entry.name.endswith(VOCABULARY) and _is_local(stored)]
    sampled = {stored.entry.name: stored for stored in (*floats[::step], *whole)}

    def is_finite(stored: StoredTensor) -> bool:
        ranges = _chunks(stored) if stored in whole else _samples(stored)
        return all(holds_finite(stored.read(*part, reader), stored.entry.dtype) for part in ranges)

    with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="samples") as pool:
        finite = list(pool.map(is_finite, sampled.values()))
    for stored, ok in zip(sampled.values(), finite, strict=True):
        if not ok:
            yield NonFiniteError(stored.file.name, f"finite numbers in {stored.entry.name}", "NaN or infinity")


def same_samples(tensors: Sequence[StoredTensor], reader: RangeReader) -> bool:
    """Return whether the tensors' sampled bytes are the same."""
    return len({tuple(stored.read(*part, reader) for part in _samples(stored)) for stored in tensors}) == 1


def _is_local(stored: StoredTensor) -> bool:
    return not any(is_s3_uri(segment.uri) for segment in stored.segments())


def _samples(stored: StoredTensor) -> Iterator[tuple[int, int]]:
    """Yield start and length of runs of values: in the middle of the tensor, and at its end."""
    entry = stored.entry
    width = DTYPE_BYTES[entry.dtype]
    length = min(SAMPLE_BYTES, entry.size) // width * width
    yield (entry.size - length) // 2 // width * width, length
    if length < entry.size:
        yield entry.size - length, length


def _chunks(stored: StoredTensor) -> Iterator[tuple[int, int]]:
    for start in range(0, stored.entry.size, CHUNK_SIZE):
        yield start, min(CHUNK_SIZE, stored.entry.size - start)
