"""Remember checksums of files and objects, so that unchanged ones are not read again."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path


class ChecksumMemory:
    """The checksums of one folder's or prefix's files, each valid for one state of its file.

    Stored in one file per place. Several workers may save at once: the last one wins, and writes are atomic.
    """

    def __init__(self, cache_dir: Path | None, place: str) -> None:
        name = hashlib.sha256(place.encode()).hexdigest()[:32]
        self._path = cache_dir / f"checksums-{name}.json" if cache_dir else None
        self._known = self._load()
        self._lasting: dict[str, tuple[str, int]] = {}

    def recall(self, name: str, state: str) -> int | None:
        """Return the checksum of the file in this state, if it is known."""
        known_state, crc = self._known.get(name, ("", 0))
        if known_state != state:
            return None
        self._lasting[name] = (state, crc)
        return crc

    def remember(self, name: str, state: str, crc: int) -> None:
        """Remember the checksum of the file in this state."""
        self._lasting[name] = (state, crc)

    def save(self) -> None:
        """Write the recalled and new checksums, if any is new."""
        if self._path is None or self._lasting == self._known:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self._lasting, file)
        Path(temporary).replace(self._path)

    def _load(self) -> dict[str, tuple[str, int]]:
        try:
            text = self._path.read_text() if self._path else "{}"
            return {name: (state, crc) for name, (state, crc) in json.loads(text).items()}
        except (FileNotFoundError, ValueError):  # a memory that cannot be read is only a slower run
            return {}
