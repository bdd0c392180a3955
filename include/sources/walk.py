"""List the files of a folder with limits on number, depth and links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from include.sources.errors import SourceLinkError, SourceTooManyFilesError
from include.sources.selection import is_checkpoint_file

MAX_ENTRIES = 100_000
# Trainers nest three: the run, its checkpoints, the model.
MAX_DEPTH = 8


def files_inside(root: Path) -> list[str]:
    """Return the files of a folder and its subfolders, relative to it. Links to folders are not followed.

    Raises:
        SourceTooManyFilesError: there are more entries than in any model's folder.
    """
    found = []
    for count, (path, is_file) in enumerate(_walk(root, 0), start=1):
        if count > MAX_ENTRIES:
            raise SourceTooManyFilesError(str(root), MAX_ENTRIES)
        if is_file:
            found.append(str(path.relative_to(root)))
    return found


def refuse_links_out(folder: Path, root: Path) -> None:
    """Raise SourceLinkError if a checkpoint file in ``folder`` is a link that leaves ``root``."""
    for path in folder.iterdir():
        if is_checkpoint_file(path.name) and path.is_symlink() and not _stays(path, root):
            raise SourceLinkError(str(path))


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, bool]]:
    """Yield each entry, and whether it is a file; a folder that may not be read is empty."""
    try:
        entries = os.scandir(folder)
    except OSError:
        return
    with entries:
        for entry in entries:
            yield Path(entry.path), entry.is_file()
            if entry.is_dir(follow_symlinks=False) and depth < MAX_DEPTH:
                yield from _walk(Path(entry.path), depth + 1)


def _stays(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())
