"""Unpack an untrusted model.tar.gz from a stream."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from include.sources.errors import ArchiveUnreadableError, HostileArchiveError
from include.sources.selection import is_checkpoint_file

BLOCK = 512
PIECE_SIZE = 2**20
WRITE_SIZE = 256 * 2**10
# Long names and attributes come in headers that tarfile reads whole; none that is meant well is larger than this.
MAX_HEADER_SIZE = 2**20
GZIP = b"\x1f\x8b"


# No file system of a worker takes longer names.
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 4096


@dataclass(frozen=True)
class UnpackLimits:
    """Limits of unpacking an archive. Weights hardly compress, so a high ratio means a decompression bomb.

    ``size`` limits the files' bytes, ``members`` files and directories, ``headers`` the bytes of tar headers.
    """

    size: int
    members: int = 10_000
    headers: int = 64 * 2**20
    ratio: int = 100
    ratio_from: int = 64 * 2**20


def unpack(uri: str, chunks: Iterable[bytes], folder: Path, limits: UnpackLimits) -> list[str]:
    """Extract the archive's checkpoint files into ``folder`` and return the paths of all its files.

    Other files (optimizer state, scripts) are not extracted. Memory is bounded by one chunk and the headers of a
    member.

    Raises:
        HostileArchiveError: a path outside the folder, a link, a decompression bomb, a negative size, a duplicate name.
        ArchiveUnreadableError: it is broken, or not a tar archive (plain or gzip).
    """
    stream = _ForwardStream(uri, _decompressed(uri, iter(chunks), limits), limits)
    names: dict[str, None] = {}
    try:
        for member in _members(uri, stream, limits):
            path = _checked_path(uri, member)
            if not member.isreg():
                continue
            if path in names:
                raise HostileArchiveError(uri, path, "two members of this name")
            names[path] = None
            if is_checkpoint_file(PurePosixPath(path).name):
                _write(uri, stream, member.size, folder / path)
        stream.finish()
    except RecursionError as error:  # tarfile reads a header after a header by calling itself
        raise HostileArchiveError(uri, "headers", "hundreds of them for one member") from error
    except (tarfile.TarError, ValueError) as error:  # a number in a header that is not one
        raise ArchiveUnreadableError(uri, str(error)) from error
    return list(names)


def _members(uri: str, stream: _ForwardStream, limits: UnpackLimits) -> Iterator[tarfile.TarInfo]:
    """Yield the members, each checked against the limits before it is used."""
    unpacked = count = 0
    with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]  # reads forward only
        while member := archive.next():
            archive.members.clear()  # tarfile keeps every member with its headers
            if member.size < 0:
                raise HostileArchiveError(uri, member.name, f"a size of {member.size} bytes")
            count += 1
            unpacked += member.size
            _check_limits(uri, unpacked, count, limits)
            yield member


def _checked_path(uri: str, member: tarfile.TarInfo) -> str:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise HostileArchiveError(uri, member.name, "a path out of the folder")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise HostileArchiveError(uri, member.name, "a link, a device or a sparse file")
    name = member.name.encode(errors="surrogateescape")
    if len(name) > MAX_PATH_BYTES or max(map(len, name.split(b"/"))) > MAX_NAME_BYTES:
        raise HostileArchiveError(uri, f"{member.name[:80]}...", "a name too long for a file system")
    return str(path)


def _check_limits(uri: str, unpacked: int, members: int, limits: UnpackLimits) -> None:
    if unpacked > limits.size:
        raise HostileArchiveError(uri, f"{unpacked} bytes", f"more than the {limits.size} bytes that are allowed")
    if members > limits.members:
        raise HostileArchiveError(uri, f"{members} members", f"more than the {limits.members} that are allowed")


def _write(uri: str, stream: _ForwardStream, size: int, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while size and (data := stream.take(min(size, WRITE_SIZE))):
                size -= file.write(data)
    except (FileExistsError, NotADirectoryError) as error:
        raise HostileArchiveError(uri, path.name, "two members that cannot be in one folder") from error
    if size:
        raise ArchiveUnreadableError(uri, f"{path.name} ends {size} bytes too early")


def _decompressed(uri: str, chunks: Iterator[bytes], limits: UnpackLimits) -> Iterator[bytes]:
    first = next(chunks, b"")
    if not first.startswith(GZIP):
        yield first
        yield from chunks
        return
    inflater = zlib.decompressobj(wbits=31)
    read = written = 0
    try:
        for chunk in _with(first, chunks):
            read += len(chunk)
            while chunk:
                if inflater.eof:  # gzip files may follow each other, and zeros may follow the last one
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    inflater = zlib.decompressobj(wbits=31)
                piece = inflater.decompress(chunk, PIECE_SIZE)
                chunk = inflater.unconsumed_tail or inflater.unused_data
                written += len(piece)
                if written > max(limits.ratio_from, limits.ratio * read):
                    raise HostileArchiveError(uri, f"{written} bytes out of {read}", "a suspicious compression")
                yield piece
        while not inflater.eof and (piece := inflater.decompress(b"", PIECE_SIZE)):
            yield piece
    except zlib.error as error:
        raise ArchiveUnreadableError(uri, str(error)) from error
    if not inflater.eof:
        raise ArchiveUnreadableError(uri, "the compressed data ends too early")


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


class _ForwardStream:
    """A forward-only file object for tarfile, over an iterator of chunks."""

    def __init__(self, uri: str, pieces: Iterator[bytes], limits: UnpackLimits) -> None:
        self._uri = uri
        self._pieces = pieces
        self._headers_left = limits.headers
        self._most = limits.size + limits.headers
        self._piece = memoryview(b"")
        self._position = 0
        self._last_read = b""

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes of a header, fewer only at the end."""
        if not 0 <= size <= MAX_HEADER_SIZE:
            raise HostileArchiveError(self._uri, f"{size} bytes", "a header of this size")
        self._headers_left -= size
        if self._headers_left < 0:
            raise HostileArchiveError(self._uri, "headers", "more bytes than those of any archive of a model")
        self._last_read = self.take(size)
        return self._last_read

    def take(self, size: int) -> bytes:
        """Return up to ``size`` bytes of a file, fewer only at the end."""
        taken = []
        while size and (piece := self._next(size)):
            taken.append(piece)
            size -= len(piece)
        return b"".join(taken)

    def seek(self, position: int) -> None:
        """Skip everything before ``position``.

        Raises:
            HostileArchiveError: the position was passed already, which only a negative size can cause.
        """
        if position < self._position:
            raise HostileArchiveError(self._uri, f"byte {position}", "a member that begins before the one before it")
        while self._position < position and self._next(position - self._position):
            pass

    def finish(self) -> None:
        """Read to the end; raise ArchiveUnreadableError unless the archive ended with its end mark."""
        if self._last_read != bytes(BLOCK):
            raise ArchiveUnreadableError(self._uri, "no end mark where the last member ends")
        while self._next(PIECE_SIZE):
            pass

    def _next(self, size: int) -> memoryview:
        while not self._piece:
            following = next(self._pieces, None)
            if following is None:
                return self._piece
            self._piece = memoryview(following)
        piece, self._piece = self._piece[:size], self._piece[size:]
        self._position += len(piece)
        if self._position > self._most:
            raise HostileArchiveError(self._uri, f"{self._position} bytes", "more than the members say and may have")
        return piece
