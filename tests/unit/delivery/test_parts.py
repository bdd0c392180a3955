from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from include.checkpoint.files.segments import CheckpointFile, Segment
from include.delivery.parts import MAX_PARTS, MIN_PART_SIZE, Part, plan_parts

MIB = 2**20
LOCAL, REMOTE, OTHER = "/work/new.bin", "s3://bucket/base.safetensors", "s3://bucket/other.safetensors"


def file_of(*ranges: tuple[str, int]) -> CheckpointFile:
    """A file whose ranges lie in their sources where they lie in the file, as after a merge."""
    segments, offset = [], 0
    for uri, length in ranges:
        segments.append(Segment(uri=uri, offset=offset, length=length))
        offset += length
    return CheckpointFile(name="model.safetensors", segments=tuple(segments))


def shape(parts: tuple[Part, ...]) -> list[tuple[bool, float]]:
    return [(part.copied, part.length / MIB) for part in parts]


def bytes_of(segments: tuple[Segment, ...]) -> list[tuple[str, int, int]]:
    """The ranges, joined where one continues the other."""
    ranges: list[tuple[str, int, int]] = []
    for segment in segments:
        if not segment.length:
            continue
        start, end = segment.offset, segment.offset + segment.length
        if ranges and ranges[-1][::2] == (segment.uri, start):
            ranges[-1] = (segment.uri, ranges[-1][1], end)
        else:
            ranges.append((segment.uri, start, end))
    return ranges


def test_an_empty_file_is_one_empty_part() -> None:
    assert shape(plan_parts(file_of(), 8 * MIB)) == [(False, 0)]


def test_a_local_file_is_sent_in_parts_of_about_the_wanted_size() -> None:
    assert shape(plan_parts(file_of((LOCAL, 32 * MIB)), 8 * MIB)) == [(False, 8)] * 4
    assert shape(plan_parts(file_of((LOCAL, 9 * MIB)), 8 * MIB)) == [(False, 9)]


def test_long_ranges_in_s3_are_copied_and_the_rest_is_sent() -> None:
    file = file_of((REMOTE, 400 * MIB), (LOCAL, 16 * MIB), (REMOTE, 700 * MIB))
    assert shape(plan_parts(file, 8 * MIB)) == [(True, 400), (False, 8), (False, 8), (True, 350), (True, 350)]


def test_the_pieces_of_one_range_are_copied_as_one() -> None:
    assert shape(plan_parts(file_of(*[(REMOTE, MIB)] * 100), 8 * MIB)) == [(True, 100)]
    assert shape(plan_parts(file_of((REMOTE, 50 * MIB), (OTHER, 50 * MIB)), 8 * MIB)) == [(True, 50), (True, 50)]


def test_a_range_too_short_to_copy_is_sent() -> None:
    file = file_of((LOCAL, 6 * MIB), (REMOTE, 4 * MIB), (LOCAL, 6 * MIB))
    assert shape(plan_parts(file, 8 * MIB)) == [(False, 8), (False, 8)]


def test_a_send_too_short_for_a_part_takes_what_it_lacks_from_the_copy_after_it() -> None:
    assert shape(plan_parts(file_of((LOCAL, MIB), (REMOTE, 100 * MIB)), 8 * MIB)) == [(False, 5), (True, 96)]
    assert shape(plan_parts(file_of((LOCAL, MIB), (REMOTE, 7 * MIB)), 8 * MIB)) == [(False, 8)]


def test_a_short_send_at_the_end_stays_short() -> None:
    assert shape(plan_parts(file_of((REMOTE, 100 * MIB), (LOCAL, 1)), 8 * MIB)) == [(True, 100), (False, 1 / MIB)]


def test_parts_grow_where_there_would_be_too_many_and_no_more_than_that_as_they_are_held_in_memory() -> None:
    parts = plan_parts(file_of((LOCAL, 200 * 10**9)), 8 * MIB)
    assert 0.75 * MAX_PARTS < len(parts) <= MAX_PARTS
    assert max(part.length for part in parts) < 1.3 * 200 * 10**9 / MAX_PARTS
    broken_up = file_of(*[(LOCAL, 6 * MIB), (REMOTE, 6 * MIB)] * 8_000)
    assert len(plan_parts(broken_up, 8 * MIB)) <= MAX_PARTS


SIZES = st.one_of(st.integers(0, 9), st.integers(1, 40 * MIB), st.integers(100 * MIB, 3_000 * MIB))


@given(st.lists(st.tuples(st.sampled_from([LOCAL, REMOTE, OTHER]), SIZES)), st.integers(5 * MIB, 64 * MIB))
def test_whatever_the_file_its_parts_are_its_bytes_in_order_and_within_s3s_limits(
    ranges: list[tuple[str, int]], part_size: int
) -> None:
    file = file_of(*ranges)
    parts = plan_parts(file, part_size)
    assert bytes_of(tuple(s for part in parts for s in part.segments)) == bytes_of(file.segments)
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.length >= MIN_PART_SIZE for part in parts[:-1])
    for part in parts:
        if part.copied:
            assert len(bytes_of(part.segments)) == 1
            assert part.segments[0].uri.startswith("s3://")
        else:
            assert part.length <= max(part_size, 2 * MIN_PART_SIZE)


@given(st.lists(st.tuples(st.sampled_from([LOCAL, REMOTE]), SIZES), max_size=30))
def test_at_most_five_mebibytes_more_than_needed_are_sent_at_each_border(ranges: list[tuple[str, int]]) -> None:
    file = file_of(*ranges)
    sent = sum(part.length for part in plan_parts(file, 8 * MIB) if not part.copied)
    needed = sum(segment.length for segment in file.segments if segment.uri == LOCAL)
    assert needed <= sent <= needed + 2 * MIN_PART_SIZE * (len(ranges) + 1)
