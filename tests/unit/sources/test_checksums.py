from __future__ import annotations

from awscrt.checksums import crc64nvme
from hypothesis import given
from hypothesis import strategies as st

from include.sources.checksums import after_replacement, combine, decode, encode


def test_the_text_form_is_that_of_s3() -> None:
    assert encode(crc64nvme(b"123456789")) == "rosUhgp5mIg="
    assert decode("rosUhgp5mIg=") == crc64nvme(b"123456789")


@given(st.lists(st.binary()))
def test_the_checksum_of_a_whole_follows_from_its_pieces(pieces: list[bytes]) -> None:
    assert combine((crc64nvme(piece), len(piece)) for piece in pieces) == crc64nvme(b"".join(pieces))


@given(st.binary(), st.binary(min_size=1), st.binary(), st.randoms())
def test_the_checksum_after_a_replacement_follows_without_the_bytes_around_it(
    head: bytes, old: bytes, tail: bytes, random: object
) -> None:
    new = random.randbytes(len(old))  # type: ignore[attr-defined]
    whole = head + old + tail
    derived = after_replacement(
        crc64nvme(whole), len(whole), len(head) + len(old), before=crc64nvme(old), after=crc64nvme(new)
    )
    assert derived == crc64nvme(head + new + tail)
