"""Identify a training by its content: data, evaluation, base, settings and script.

The evaluation is part of it since its questions are kept out of the data. The instances that a job runs on are not:
they change the time and the price of an adapter, not the adapter.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from include.config.training import TrainingConfig
from include.sources.fingerprint import READ_SIZE
from include.training.container import bootstrap

#: Raised whenever the same data would be prepared to other examples.
PREPARATION_VERSION = "1"
#: Of the section ``training``: where and when it runs, not what it makes.
_NOT_CONTENT = {"job", "schedule", "data"}


class TrainingContent(NamedTuple):
    """What a training is made of; each field identifies content, not a place.

    ``chat_template`` is the text of the template's file, where the settings name one.
    """

    data: str
    evaluation: str
    base: str
    settings: dict[str, Any]
    script: str
    chat_template: str = ""

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits."""
        canonical = json.dumps({**self._asdict(), "preparation": PREPARATION_VERSION}, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def content_settings(training: TrainingConfig) -> dict[str, Any]:
    """Return the settings that decide which adapter is made."""
    return training.model_dump(mode="json", exclude=_NOT_CONTENT)


def script_files() -> tuple[Path, ...]:
    """Return the files of the training script, which are shipped into the job."""
    return tuple(sorted(path for path in bootstrap.HERE.iterdir() if path.suffix in (".py", ".txt")))


@cache
def script_digest() -> str:
    """Return a digest of the training script."""
    digest = hashlib.sha256()
    for path in script_files():
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a local file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_SIZE):
            digest.update(piece)
    return digest.hexdigest()
