from __future__ import annotations

import os

from awscrt.checksums import crc64nvme
from hypothesis import given
from hypothesis import strategies as st

from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import CheckpointFile, Pin, Segment
from include.delivery.derivation import WholeObject, by_start, derive
from include.sources.read_ledger import ReadLedger, load_ranges

BASE = "s3://bucket/base.safetensors"
OURS = "/work/merge.overlay"


class MemoryReader:
    """An object in S3 as far as a merge needs one."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, uri: str, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def pin(self, uri: str) -> Pin:
        return Pin(uri=uri, size=len(self._data), version="1")

    def files(self, uri: str) -> dict[str, Pin]:
        return {"model.safetensors": self.pin(uri)}


def merged(reader: RangeReader, base: bytes, lengths: list[int]) -> tuple[CheckpointFile, bytes]:
    """Every second stretch of these lengths is read in pieces and replaced; the last stretch is the rest."""
    segments, content, at = [], b"", 0
    for n, wanted in enumerate([*lengths, len(base)]):
        length = min(wanted, len(base) - at)
        if n % 2:
            for start in range(at, at + length, 7):
                reader.read(BASE, start, min(7, at + length - start))
            new = os.urandom(length)
            segments.append(Segment(uri=OURS, offset=0, length=length, crc64nvme=crc64nvme(new)))
            content += new
        else:
            segments.append(Segment(uri=BASE, offset=at, length=length))
            content += base[at : at + length]
        at += length
    return CheckpointFile(name="model.safetensors", segments=tuple(s for s in segments if s.length)), content


@given(st.binary(min_size=1), st.lists(st.integers(0, 40), max_size=8))
def test_the_checksum_of_a_merged_object_follows_from_the_bases_and_what_the_merge_read(
    base: bytes, lengths: list[int]
) -> None:
    ledger = ReadLedger(MemoryReader(base))
    file, content = merged(ledger, base, lengths)
    whole = WholeObject(BASE, len(base), crc64nvme(base))
    assert derive(file, whole, by_start(ledger.ranges())) == crc64nvme(content)


def test_without_the_replaced_bytes_checksum_nothing_is_claimed() -> None:
    base = os.urandom(100)
    file, _ = merged(MemoryReader(base), base, [10, 20])
    assert derive(file, WholeObject(BASE, 100, crc64nvme(base)), {}) is None


def test_what_was_read_crosses_to_another_task_as_json() -> None:
    ledger = ReadLedger(MemoryReader(b"0123456789"))
    ledger.read(BASE, 2, 3)
    ledger.read("/local/adapter.safetensors", 0, 3)
    assert load_ranges(ledger.to_json()) == ledger.ranges()
    assert [(it.offset, it.length, it.crc64nvme) for it in ledger.ranges()] == [(2, 3, crc64nvme(b"234"))]
