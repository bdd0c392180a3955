"""Convert one raw tensor, in one or several pieces, to tensors of the Hugging Face layout.

Everything here moves bytes and computes nothing, so it holds for any dtype.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from include.checkpoint.errors import RawTensorError
from include.checkpoint.files.reading import read
from include.checkpoint.files.safetensors_header import DTYPE_BYTES
from include.checkpoint.files.segments import CheckpointFile, PlacedTensor, slice_segments
from include.checkpoint.mistral.raw_layout import Treatment, place, split_axis
from include.checkpoint.mistral.raw_params import RawParams
from include.checkpoint.writing.overlay import Overlay

COLUMN_BLOCK_BYTES = 2**20
_MOVED: tuple[Treatment, ...] = ("rope_q", "rope_k", "experts_t")


def convert_tensor(pieces: list[PlacedTensor], params: RawParams, out: Overlay) -> Iterator[PlacedTensor]:
    """Return the tensors made of ``pieces``; only bytes that move are written to ``out``. Raises RawTensorError."""
    target, treatment = place(pieces[0].name)
    if treatment in ("rope_q", "rope_k"):
        tensor = _permuted(pieces, params, out)
    elif len(pieces) > 1 and split_axis(pieces[0].name) == 1:
        tensor = _side_by_side(pieces, out)
    else:
        tensor = _one_below_the_other(pieces)
    if treatment in ("experts", "experts_t"):
        yield from _experts(tensor, target, treatment, params, out)
    else:
        yield PlacedTensor(target, tensor.dtype, tensor.shape, tensor.segments)


def written_bytes(pieces: list[PlacedTensor]) -> int:
    """Return the number of bytes that ``convert_tensor`` writes."""
    _, treatment = place(pieces[0].name)
    moved = treatment in _MOVED or (len(pieces) > 1 and split_axis(pieces[0].name) == 1)
    return sum(segment.length for piece in pieces for segment in piece.segments) if moved else 0


def _one_below_the_other(pieces: list[PlacedTensor]) -> PlacedTensor:
    first = pieces[0]
    if len(pieces) == 1 or split_axis(first.name) is None:
        return first
    segments = tuple(segment for piece in pieces for segment in piece.segments)
    return PlacedTensor(first.name, first.dtype, (sum(piece.shape[0] for piece in pieces), *first.shape[1:]), segments)


def _side_by_side(pieces: list[PlacedTensor], out: Overlay) -> PlacedTensor:
    first = pieces[0]
    rows = first.shape[0]
    if any(piece.shape[0] != rows for piece in pieces):
        raise RawTensorError(first.name, f"{rows} rows in each file", str([piece.shape for piece in pieces]))
    shape = (rows, sum(piece.shape[1] for piece in pieces))
    step = max(COLUMN_BLOCK_BYTES // (shape[1] * DTYPE_BYTES[first.dtype]), 1)

    def blocks() -> Iterator[memoryview]:
        for start in range(0, rows, step):
            parts = [_rows(piece, start, min(step, rows - start)) for piece in pieces]
            yield np.concatenate(parts, axis=1).data.cast("B")

    return PlacedTensor(first.name, first.dtype, shape, (out.append_all(blocks()),))


def _permuted(pieces: list[PlacedTensor], params: RawParams, out: Overlay) -> PlacedTensor:
    """Rows of q or k, from pairs (2i, 2i+1) side by side in a head to all even rows, then all odd ones.

    Mistral rotates neighbouring dimensions, transformers rotates dimension i with i + head_dim / 2.
    """
    first, size = pieces[0], params.head_size
    rows = sum(piece.shape[0] for piece in pieces)
    wanted = (params.n_heads if first.name.endswith("wq.weight") else params.kv_heads) * size
    if rows != wanted or size % 2 or any(piece.shape[0] % size for piece in pieces):
        raise RawTensorError(first.name, f"{wanted} rows, as params.json says", f"{rows}")

    def blocks() -> Iterator[memoryview]:
        for piece in pieces:
            for start in range(0, piece.shape[0], size):
                pairs = _rows(piece, start, size).reshape(size // 2, 2, -1)
                yield np.ascontiguousarray(pairs.transpose(1, 0, 2)).data.cast("B")

    return PlacedTensor(first.name, first.dtype, (rows, *first.shape[1:]), (out.append_all(blocks()),))


def _experts(
    tensor: PlacedTensor, target: str, treatment: Treatment, params: RawParams, out: Overlay
) -> Iterator[PlacedTensor]:
    count = params.moe.num_experts if params.moe else 0
    if not count or tensor.shape[0] % count:
        raise RawTensorError(tensor.name, f"rows for {count} experts, as params.json says", f"{tensor.shape[0]}")
    rows, columns = tensor.shape[0] // count, tensor.shape[1]
    for expert in range(count):
        name = target.format(expert)
        piece = _row_slice(tensor, expert * rows, rows)
        if treatment == "experts":
            yield PlacedTensor(name, tensor.dtype, (rows, columns), piece.segments)
        else:
            elements = _rows(piece, 0, rows).reshape(rows, columns, -1)
            turned = np.ascontiguousarray(elements.transpose(1, 0, 2)).data.cast("B")
            yield PlacedTensor(name, tensor.dtype, (columns, rows), (out.append_all([turned]),))


def _row_slice(tensor: PlacedTensor, start: int, rows: int) -> PlacedTensor:
    width = _row_bytes(tensor)
    segments = slice_segments(_file(tensor), start * width, rows * width)
    return PlacedTensor(tensor.name, tensor.dtype, (rows, *tensor.shape[1:]), segments)


def _rows(tensor: PlacedTensor, start: int, rows: int) -> NDArray[np.uint8]:
    """Return these rows as a (rows, bytes of a row) array."""
    width = _row_bytes(tensor)
    return np.frombuffer(read(_file(tensor), start * width, rows * width), np.uint8).reshape(rows, width)


def _row_bytes(tensor: PlacedTensor) -> int:
    return math.prod(tensor.shape[1:]) * DTYPE_BYTES[tensor.dtype]


def _file(tensor: PlacedTensor) -> CheckpointFile:
    return CheckpointFile(name=tensor.name, segments=tensor.segments)
