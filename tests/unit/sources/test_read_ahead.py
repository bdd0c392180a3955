from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.reading import LocalReader
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Pin, Segment
from include.checkpoint.files.tensors import StoredTensor, stored_tensors
from include.sources.read_ahead import CHUNK_SIZE, CHUNKS_AHEAD, read_ahead
from include.sources.read_ledger import ReadLedger

LATENCY = 0.03
BLOCK = 2**20


class FarReader:
    """Files of a folder as objects of ``s3://far/``, each request 30 ms away; counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self.asked: list[tuple[int, int]] = []
        self.under_way = self.most_under_way = 0

    def read(self, uri: str, offset: int, length: int) -> bytes:
        with self._lock:
            self.asked.append((offset, length))
            self.under_way += length
            self.most_under_way = max(self.most_under_way, self.under_way)
        time.sleep(LATENCY)
        with self._lock:
            self.under_way -= length
        return LocalReader().read(str(self._folder / uri.rpartition("/")[2]), offset, length)

    def pin(self, uri: str) -> Pin:
        raise NotImplementedError

    def files(self, uri: str) -> dict[str, Pin]:
        raise NotImplementedError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    sizes = {"first": 24 * 2**20 + 3, "second": 5 * 2**20, "third": 1000}
    save_file(
        {name: rng.integers(0, 255, size, np.uint8) for name, size in sizes.items()}, tmp_path / "model.safetensors"
    )
    return tmp_path


@pytest.fixture
def checkpoint(folder: Path) -> Checkpoint:
    """The folder's checkpoint, its weights in S3."""
    [file] = [file for file in checkpoint_of_folder(folder).files if file.name == "model.safetensors"]
    segment = Segment(uri="s3://far/model.safetensors", offset=0, length=file.size)
    return Checkpoint(files=(CheckpointFile(name=file.name, segments=(segment,)),))


def blocks_of(tensor: StoredTensor) -> list[tuple[int, int]]:
    return [(start, min(BLOCK, tensor.entry.size - start)) for start in range(0, tensor.entry.size, BLOCK)]


def test_blocks_of_a_tensor_are_fetched_side_by_side_and_only_once(folder: Path, checkpoint: Checkpoint) -> None:
    tensors, far = stored_tensors(checkpoint, FarReader(folder)), FarReader(folder)
    whole = {name: tensor.read(0, tensor.entry.size, FarReader(folder)) for name, tensor in tensors.items()}
    with read_ahead(checkpoint, far) as reader:
        headers = len(far.asked)
        ledger = ReadLedger(reader)
        for name, tensor in tensors.items():
            assert b"".join(tensor.read(start, size, ledger) for start, size in blocks_of(tensor)) == whole[name]
    fetched = far.asked[headers:]
    assert sum(size for _, size in fetched) == sum(tensor.entry.size for tensor in tensors.values())
    assert len({offset for offset, _ in fetched}) == len(fetched)
    assert (CHUNKS_AHEAD - 1) * CHUNK_SIZE <= far.most_under_way <= CHUNKS_AHEAD * CHUNK_SIZE
    assert len(ledger.ranges()) == sum(len(blocks_of(tensor)) for tensor in tensors.values())


def test_several_threads_read_the_right_bytes_in_any_order(folder: Path, checkpoint: Checkpoint) -> None:
    far = FarReader(folder)
    tensor = stored_tensors(checkpoint, far)["first"]
    expected = tensor.read(0, tensor.entry.size, far)
    blocks = [(start, min(700_001, tensor.entry.size - start)) for start in range(0, tensor.entry.size, 700_001)]
    with read_ahead(checkpoint, far) as reader, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda block: tensor.read(*block, reader), blocks))
    assert b"".join(found) == expected


def test_samples_are_read_as_they_are(folder: Path, checkpoint: Checkpoint) -> None:
    far = FarReader(folder)
    tensor = stored_tensors(checkpoint, far)["first"]
    with read_ahead(checkpoint, far) as reader:
        far.asked.clear()
        assert len(tensor.read(5 * 2**20, 4096, reader)) == 4096
        assert far.asked == [(tensor.offset + 5 * 2**20, 4096)]
