from __future__ import annotations

import gc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.local_aws.s3.checksums import ALGORITHMS, MD5, combined, digest_of
from include.local_aws.s3.stored_bytes import ByteStore, StoredBytes, joined

CRCS = [algorithm for algorithm in ALGORITHMS.values() if algorithm.combine]


@pytest.fixture
def store(tmp_path: Path) -> ByteStore:
    return ByteStore(tmp_path)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.binary(max_size=40), max_size=5),
    first=st.integers(-50, 250),
    last=st.integers(-50, 250),
)
def test_slices_and_joins_are_those_of_bytes(store: ByteStore, pieces: list[bytes], first: int, last: int) -> None:
    whole, expected = joined([store.keep(piece) for piece in pieces], None), b"".join(pieces)
    assert bytes(whole) == expected
    assert len(whole) == len(expected)
    assert bytes(whole[first:last]) == expected[first:last]
    assert bytes(whole[first:last][1:3]) == expected[first:last][1:3]


@pytest.mark.parametrize("crc", CRCS, ids=lambda crc: crc.name)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.binary(max_size=300), max_size=5))
def test_a_combined_crc_is_the_one_of_the_whole(store: ByteStore, crc: object, pieces: list[bytes]) -> None:
    algorithm = next(one for one in CRCS if one is crc)
    whole = joined([store.keep(piece) for piece in pieces], algorithm)
    assert whole.digest(algorithm) == digest_of(algorithm, [b"".join(pieces)])


def test_other_checksums_cannot_be_combined() -> None:
    with pytest.raises(ValueError, match="SHA256"):
        combined(ALGORITHMS["SHA256"], [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CRC32", "cbf43926"),
        ("CRC32C", "e3069283"),
        ("CRC64NVME", "ae8b14860a799888"),
        ("SHA1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("SHA256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
    ],
)
def test_checksums_have_their_published_check_values(name: str, expected: str) -> None:
    assert digest_of(ALGORITHMS[name], [b"1234", b"56789"]).hex() == expected


def test_a_file_goes_with_the_last_bytes_that_refer_to_it(store: ByteStore, tmp_path: Path) -> None:
    whole = store.keep(b"0123456789")
    part = whole[2:4]
    del whole
    gc.collect()
    assert len(list(tmp_path.iterdir())) == 1
    assert bytes(part) == b"23"
    del part
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_no_file(store: ByteStore, tmp_path: Path) -> None:
    def break_off() -> None:
        with store.writer([MD5]) as writer:
            writer.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert list(tmp_path.iterdir()) == []


def test_checksums_computed_while_writing_are_not_computed_again(store: ByteStore, tmp_path: Path) -> None:
    with store.writer([MD5]) as writer:
        writer.write(b"bytes")
        stored = writer.stored()
    next(tmp_path.iterdir()).write_bytes(b"other")
    assert stored.digest(MD5) == digest_of(MD5, [b"bytes"])


def test_nothing_is_bytes_too() -> None:
    assert bytes(StoredBytes()) == b""
    assert not StoredBytes()
