"""Conversations on the disk, to be read again in any order, so that memory does not grow with a data set."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from include.training.conversations import Conversation, Message


class Spool:
    """Keeps conversations in a file, and in memory 8 bytes of each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets = array("q")
        self._file = path.open("w+b")
        self._end = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink()

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, conversations: Iterable[Conversation]) -> None:
        """Write these behind the others."""
        self._file.seek(self._end)
        for conversation in conversations:
            self._offsets.append(self._end)
            self._end += self._file.write(json.dumps(conversation).encode() + b"\n")

    def read(self, index: int) -> Conversation:
        """Return one of them by its place in their order."""
        self._file.seek(self._offsets[index])
        place, messages = json.loads(self._file.readline())
        return Conversation(place, tuple(Message(sys.intern(role), content) for role, content in messages))
