"""A folder to load a checkpoint from, without copying the files that are whole in their source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.reading import LOCAL, RangeReader
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment
from include.checkpoint.writing.materialize import materialize


def link_or_write(checkpoint: Checkpoint, folder: Path, reader: RangeReader = LOCAL) -> None:
    """Make ``folder`` hold the checkpoint: links to files that a local folder has whole, and the others written."""
    sizes = {pin.uri: pin.size for pin in checkpoint.pins}
    linked = [file for file in checkpoint.files if _is_whole(file, sizes)]
    written = tuple(file for file in checkpoint.files if file not in linked)
    materialize(replace(checkpoint, files=written), folder, reader=reader)
    for file in linked:
        (folder / file.name).symlink_to(file.segments[0].uri)


def _is_whole(file: CheckpointFile, sizes: dict[str, int]) -> bool:
    if len(file.segments) != 1 or is_s3_uri(file.segments[0].uri):
        return False
    only: Segment = file.segments[0]
    return only.offset == 0 and only.length == sizes.get(only.uri)
