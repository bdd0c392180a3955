"""An ordinary folder from a Checkpoint."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.errors import OutputDamagedError, OutputExistsError
from include.checkpoint.files.atomic import partial_of, sync
from include.checkpoint.files.reading import LOCAL, RangeReader, chunks, verify_pins
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment
from include.checkpoint.writing.disk import room_for
from include.checkpoint.writing.growing_file import GrowingFile
from include.checkpoint.writing.progress import Progress, no_progress

COPY_BYTES = 16 * 2**20
FILES_AT_ONCE = 2


def materialize(
    checkpoint: Checkpoint, out_dir: Path, *, progress: Progress = no_progress, reader: RangeReader = LOCAL
) -> None:
    """Write the checkpoint's files into ``out_dir``, which appears only when they are all whole and on the disk.

    What a merge for this ``out_dir`` has put in place already stays there.
    Raises OutputExistsError when ``out_dir`` is there already and SourceChangedError when a source changed meanwhile.
    """
    out_dir = Path(out_dir).absolute()
    if out_dir.exists():
        raise OutputExistsError(str(out_dir))
    partial = partial_of(out_dir)
    try:
        verify_pins(checkpoint, reader)
        if not any(_in_place(file, partial) for file in checkpoint.files):
            shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
            partial.mkdir(parents=True)
        _write_files(checkpoint, partial, progress, reader)
        verify_pins(checkpoint, reader)
        sync(partial)
        partial.rename(out_dir)
        sync(out_dir.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_files(checkpoint: Checkpoint, folder: Path, progress: Progress, reader: RangeReader) -> None:
    wanted = sum(file.size for file in checkpoint.files if not _in_place(file, folder))
    done = 0
    # One file is sent to the disk while the next is copied.
    with room_for(folder, wanted), ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        writes = [pool.submit(_write, file, folder / file.name, reader) for file in checkpoint.files]
        try:
            for count, (file, write) in enumerate(zip(checkpoint.files, writes, strict=True)):
                progress(count, len(checkpoint.files), done, checkpoint.size)
                write.result()
                done += file.size
        finally:
            pool.shutdown(cancel_futures=True)
    progress(len(checkpoint.files), len(checkpoint.files), done, checkpoint.size)


def _in_place(file: CheckpointFile, folder: Path) -> bool:
    return any(segment.uri == str(folder / file.name) for segment in file.segments)


def _write(file: CheckpointFile, path: Path, reader: RangeReader) -> None:
    begun = _in_place(file, path.parent)
    with closing(GrowingFile(path, file.size, durable=True, begun=begun)) as out:
        offset = 0
        for run in _runs(file):
            if run.uri == str(path):
                _refuse_elsewhere(run, offset)
            elif is_s3_uri(run.uri) or not hasattr(os, "copy_file_range"):
                _copy_by_reading(run, out, offset, reader)
            else:
                _copy_range(run, out, offset)
            offset += run.length
        out.sync()
    if path.stat().st_size != file.size:
        raise OutputDamagedError(str(path), f"{file.size} bytes", f"{path.stat().st_size}")


def _refuse_elsewhere(run: Segment, offset: int) -> None:
    """Raise OutputDamagedError unless the run, which is in the output file already, is in its place there."""
    if run.offset != offset:
        raise OutputDamagedError(run.uri, f"{run.length} bytes at {offset}", f"at {run.offset}")


def _runs(file: CheckpointFile) -> list[Segment]:
    """The file's segments, those that follow each other in the same source as one."""
    runs: list[Segment] = []
    for segment in file.segments:
        last = runs[-1] if runs else None
        if last and last.uri == segment.uri and last.offset + last.length == segment.offset:
            runs[-1] = Segment(uri=last.uri, offset=last.offset, length=last.length + segment.length)
        else:
            runs.append(segment)
    return runs


def _copy_by_reading(run: Segment, out: GrowingFile, offset: int, reader: RangeReader) -> None:
    for chunk in chunks(CheckpointFile(name=run.uri, segments=(run,)), reader):
        out.write(offset, memoryview(chunk))
        offset += len(chunk)


def _copy_range(run: Segment, out: GrowingFile, offset: int) -> None:
    with Path(run.uri).open("rb", buffering=0) as source:
        done = 0
        while done < run.length:
            wanted = min(run.length - done, COPY_BYTES)
            copied = out.copy(offset + done, source.fileno(), run.offset + done, wanted)
            if not copied:
                raise OutputDamagedError(run.uri, f"{run.length} bytes from {run.offset}", f"{done}")
            done += copied
