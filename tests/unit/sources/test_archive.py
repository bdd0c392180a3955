from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.sources.archive import BLOCK, UnpackLimits, unpack
from include.sources.errors import ArchiveUnreadableError, HostileArchiveError

LIMITS = UnpackLimits(size=100 * 2**20)
FILES = {"config.json": b"{}", "model.safetensors": os.urandom(3_000_000), "code/inference.py": b"import os"}


def pack(
    files: dict[str, bytes], *more: tarfile.TarInfo, compress: bool = True, tar_format: int = tarfile.PAX_FORMAT
) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tar_format) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in more:
            archive.addfile(member)
    return gzip.compress(packed.getvalue(), 1) if compress else packed.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def chunks_of(data: bytes, size: int = 70_001) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def unpacked(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("tar_format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("compress", [True, False])
def test_the_checkpoints_files_are_unpacked_and_scripts_are_not(
    tmp_path: Path, compress: bool, tar_format: int
) -> None:
    long_name = {"a" * 80 + "/" + "b" * 70 + ".safetensors": b"long"}
    data = pack(FILES | long_name, compress=compress, tar_format=tar_format)
    assert unpack("s3://b/model.tar.gz", chunks_of(data), tmp_path, LIMITS) == [*FILES, *long_name]
    assert unpacked(tmp_path) == {name: d for name, d in (FILES | long_name).items() if not name.endswith(".py")}


def test_gzip_files_laid_end_to_end_are_one_archive(tmp_path: Path) -> None:
    plain = pack(FILES, compress=False)
    data = gzip.compress(plain[:1_000_000]) + gzip.compress(plain[1_000_000:])
    unpack("model.tar.gz", chunks_of(data), tmp_path, LIMITS)
    assert unpacked(tmp_path)["model.safetensors"] == FILES["model.safetensors"]


@pytest.mark.parametrize("zeros", [512, 10240, 3_000_000])
def test_zeros_after_the_compressed_data_are_ignored(tmp_path: Path, zeros: int) -> None:
    unpack("model.tar.gz", chunks_of(pack(FILES) + b"\0" * zeros), tmp_path, LIMITS)
    assert unpacked(tmp_path)["model.safetensors"] == FILES["model.safetensors"]


@pytest.mark.parametrize(
    "hostile",
    [
        member("/etc/config.json"),
        member("../config.json"),
        member("a/../../config.json"),
        member("..\\config.json"),
        member("config.json", tarfile.SYMTYPE, "/etc/passwd"),
        member("config.json", tarfile.LNKTYPE, "model.safetensors"),
        member("config.json", tarfile.CHRTYPE),
        member("config.json", tarfile.BLKTYPE),
        member("config.json", tarfile.FIFOTYPE),
        member("model.safetensors"),
        member("model.safetensors/config.json"),
    ],
    ids=lambda it: f"{it.name}-{it.type.decode()}",
)
def test_a_hostile_member_is_refused(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    data = pack({"model.safetensors": b"1"}, hostile)
    with pytest.raises(HostileArchiveError):
        unpack("model.tar.gz", chunks_of(data), tmp_path / "in", LIMITS)
    assert set(unpacked(tmp_path)) <= {"in/model.safetensors"}


def test_a_bomb_is_refused_by_its_ratio_before_it_fills_the_disk(tmp_path: Path) -> None:
    data = pack({"model.safetensors": bytes(80_000_000)})
    limits = UnpackLimits(size=10**12, ratio_from=10_000_000)
    with pytest.raises(HostileArchiveError, match="suspicious compression"):
        unpack("model.tar.gz", chunks_of(data), tmp_path, limits)
    assert (tmp_path / "model.safetensors").stat().st_size < 20_000_000


def test_an_archive_larger_than_allowed_is_refused_before_the_member_is_written(tmp_path: Path) -> None:
    with pytest.raises(HostileArchiveError, match="more than the 1000000 bytes"):
        unpack("model.tar.gz", chunks_of(pack(FILES)), tmp_path, UnpackLimits(size=1_000_000))
    assert not (tmp_path / "model.safetensors").exists()


def test_an_archive_of_too_many_members_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostileArchiveError, match="3 members"):
        unpack("model.tar.gz", chunks_of(pack(FILES)), tmp_path, UnpackLimits(size=10**9, members=2))


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    huge = tarfile.TarInfo("././@PaxHeader")
    huge.type, huge.size = tarfile.XHDTYPE, 50_000_000
    data = huge.tobuf(tarfile.USTAR_FORMAT) + bytes(huge.size)
    with pytest.raises(HostileArchiveError, match="header of this size"):
        unpack("model.tar", chunks_of(data), tmp_path, LIMITS)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def spoil_last_header(data: bytes) -> bytes:
    at = data.rindex(b"code/inference.py")
    return data[:at] + b"X" + data[at + 1 :]


def without_end_mark(data: bytes) -> bytes:
    return data.rstrip(b"\0") + b"\0" * 10


@pytest.mark.parametrize(
    ("damage", "compress"),
    [
        (cut, True),
        (flip, True),
        (cut, False),
        (spoil_last_header, False),
        (without_end_mark, False),
        (lambda _: b"", False),
    ],
)
def test_a_broken_archive_is_an_error_of_its_own(
    tmp_path: Path, damage: Callable[[bytes], bytes], compress: bool
) -> None:
    with pytest.raises(ArchiveUnreadableError, match=r"model\.tar\.gz"):
        unpack("model.tar.gz", chunks_of(damage(pack(FILES, compress=compress))), tmp_path, LIMITS)


def test_a_member_larger_than_the_memory_allowed_is_unpacked(tmp_path: Path) -> None:
    script = """
import io, resource, sys, tarfile
from pathlib import Path
from include.sources.archive import BLOCK, UnpackLimits, unpack
size = 400 * 2**20
head = tarfile.TarInfo("model.safetensors"); head.size = size
piece = bytes(range(256)) * 4096
chunks = [head.tobuf()] + [piece] * (size // len(piece)) + [bytes(10240)]
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
unpack("model.tar", iter(chunks), Path(sys.argv[1]), UnpackLimits(size=10**10))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
"""
    grown = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (tmp_path / "model.safetensors").stat().st_size == 400 * 2**20
    assert int(grown.stdout) * (1 if sys.platform == "darwin" else 1024) < 16 * 2**20


def negative(name: str, size: int) -> bytes:
    """A header whose size is written in base 256, which may be negative."""
    head = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    head[124:136] = b"\xff" + size.to_bytes(11, "big", signed=True)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


@pytest.mark.parametrize("size", [-1, -5, -512, -(10**12)])
def test_a_member_of_negative_size_is_refused(tmp_path: Path, size: int) -> None:
    data = negative("code/x.py", size) + pack(FILES, compress=False)
    with pytest.raises(HostileArchiveError, match=f"a size of {size} bytes"):
        unpack("model.tar", chunks_of(data), tmp_path, LIMITS)
    assert not unpacked(tmp_path)


def test_a_header_of_negative_size_is_refused(tmp_path: Path) -> None:
    head = bytearray(negative("././@PaxHeader", -600))
    head[156:157] = tarfile.XHDTYPE
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    with pytest.raises(HostileArchiveError):
        unpack("model.tar", chunks_of(bytes(head) + bytes(2048)), tmp_path, LIMITS)


def test_directories_count_as_members(tmp_path: Path) -> None:
    data = pack({}, *[member(f"d{number}/", tarfile.DIRTYPE) for number in range(4)])
    with pytest.raises(HostileArchiveError, match="4 members"):
        unpack("model.tar", chunks_of(data), tmp_path, UnpackLimits(size=10**9, members=3))


def commented(count: int, size: int) -> bytes:
    """An archive of small members, each with a pax header of this size."""
    heads = []
    for number in range(count):
        head = member(f"f{number}.py")
        head.pax_headers = {"comment": "c" * size}
        heads.append(head.tobuf(tarfile.PAX_FORMAT))
    return b"".join(heads) + bytes(1024)


def test_the_bytes_of_all_headers_are_counted(tmp_path: Path) -> None:
    limits = UnpackLimits(size=10**9, headers=2 * 10**6)
    with pytest.raises(HostileArchiveError, match="headers"):
        unpack("model.tar", chunks_of(commented(30, 100_000)), tmp_path, limits)
    assert len(unpack("model.tar", chunks_of(commented(10, 100_000)), tmp_path, limits)) == 10


def test_no_header_is_kept_after_its_member(tmp_path: Path) -> None:
    data = commented(40, 900_000)
    tracemalloc.start()
    try:
        unpack("model.tar", chunks_of(data), tmp_path, LIMITS)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_chain_of_headers_for_one_member_is_refused(tmp_path: Path) -> None:
    head = member("config.json")
    head.pax_headers = {"comment": "c"}
    alone = head.tobuf(tarfile.PAX_FORMAT)[:-BLOCK]
    with pytest.raises(HostileArchiveError, match="for one member"):
        unpack("model.tar", chunks_of(alone * 2000), tmp_path, LIMITS)


@pytest.mark.parametrize("name", ["n" * 300 + ".json", "d/" * 3000 + "config.json"])
def test_a_name_that_no_file_system_takes_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HostileArchiveError, match="too long"):
        unpack("model.tar", chunks_of(pack({name: b"{}"})), tmp_path, LIMITS)


def test_what_follows_the_members_counts_too(tmp_path: Path) -> None:
    data = pack({"config.json": b"{}"}, compress=False) + bytes(3_000_000)
    with pytest.raises(HostileArchiveError, match="more than the members say"):
        unpack("model.tar", chunks_of(data), tmp_path, UnpackLimits(size=10**6, headers=10**6))
