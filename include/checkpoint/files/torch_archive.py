"""The zip file that torch.save writes, checked before anything in it is unpacked.

Its members are stored, not compressed: ``*/data.pkl`` names each tensor's storage, ``*/data/<key>`` is that storage.
https://pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

from include.checkpoint.errors import PickleRefusedError
from include.checkpoint.files.placeholders import POINTER, refuse_placeholder

PICKLE = "data.pkl"
# About 200 bytes for each tensor; what a pickle builds takes up to 64 times its size.
MAX_PICKLE_BYTES = 8 * 2**20
MAX_DIRECTORY_BYTES = 8 * 2**20
# A zip's end record, with the longest comment it may have.
END_BYTES = 22 + 2**16
_DAMAGED = (zipfile.BadZipFile, EOFError, RuntimeError, OSError, ValueError, OverflowError, struct.error)
_TUPLES = frozenset(("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"))
_PUTS, _GETS = frozenset(("BINPUT", "LONG_BINPUT")), frozenset(("BINGET", "LONG_BINGET"))
# What is put into the memo as soon as it is made.
_REMEMBERED = _TUPLES | {"EMPTY_DICT", "EMPTY_LIST", "BINUNICODE", "SHORT_BINSTRING", "GLOBAL", "REDUCE"}
_NUMBERS = frozenset(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "NONE", "NEWFALSE", "NEWTRUE"))
_CHANGES = frozenset(("APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD"))
# What torch's own reader of weights accepts, without what builds other objects than state dictionaries.
_OPCODES = _REMEMBERED | _PUTS | _GETS | _NUMBERS | _CHANGES | {"PROTO", "MARK", "EMPTY_TUPLE", "BINPERSID", "STOP"}


class TorchArchive(NamedTuple):
    """The members of the zip by name, their common prefix, and the pickle."""

    members: dict[str, zipfile.ZipInfo]
    root: str
    pickled: bytes


def open_torch_archive(path: Path) -> TorchArchive:
    """Return what is in the zip file, its pickle checked and not yet loaded.

    Raises:
        PickleRefusedError: it is no zip, a member is compressed, or the pickle is large or does more than weights need.
        GitLfsPointerError, HtmlPageError: it is one of these in place of the weights.
    """
    with path.open("rb") as start:
        refuse_placeholder(path.name, start.read(len(POINTER)))
    try:
        with _DirectoryFile(path) as file, zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            name = next((name for name in members if name.endswith(PICKLE)), None)
            if name is None:
                raise PickleRefusedError(str(path), f"no {PICKLE}")
            _refuse_compressed(path, members)
            if members[name].file_size > MAX_PICKLE_BYTES:
                raise PickleRefusedError(str(path), f"a {PICKLE} of {members[name].file_size} bytes")
            pickled = archive.read(name)
    except _DAMAGED as error:
        raise PickleRefusedError(str(path), f"{error}: torch's older format, or a damaged zip") from error
    _refuse_opcodes(path, pickled)
    return TorchArchive(members, name.removesuffix(PICKLE), pickled)


class _DirectoryFile(io.FileIO):
    """A file that refuses large reads: zipfile reads the whole directory into memory."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self._path = path

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:  # the last bytes of the file, where the directory's place is
            size = END_BYTES
        if size > MAX_DIRECTORY_BYTES:
            raise PickleRefusedError(str(self._path), f"a directory of the zip of {size} bytes")
        return super().read(size) or b""


def _refuse_compressed(path: Path, members: dict[str, zipfile.ZipInfo]) -> None:
    for name, info in members.items():
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise PickleRefusedError(str(path), f"{name} is compressed, which torch.save does not do")


def _refuse_opcodes(path: Path, pickled: bytes) -> None:
    """Refuse opcodes that a pickle of weights does not need, or that take more time or memory than its size suggests.

    An entry of the unpickler's memo with a high number makes it a table of that length. A tuple that is used twice, by
    others that are used twice, takes exponential time to hash; torch writes each tuple once.
    """
    tuples: set[int] = set()
    before = ""
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(pickled)):
            name = opcode.name
            if name in _PUTS:
                allowed = before in _REMEMBERED and int(argument or 0) <= count
                (tuples.add if before in _TUPLES else tuples.discard)(int(argument or 0))
            else:
                allowed = name in _OPCODES and not (name in _GETS and argument in tuples)
            if not allowed:
                raise PickleRefusedError(str(path), f"{name} {argument} in its pickle, which weights do not need")
            before = name
    except ValueError as error:
        raise PickleRefusedError(str(path), f"a damaged pickle: {error}") from error
