"""Write a Checkpoint as an ordinary folder."""

from __future__ import annotations

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.errors import OutputDamagedError, OutputExistsError
from include.checkpoint.files.atomic import lay_out_blocks, partial_of, start_write_back, sync
from include.checkpoint.files.reading import LOCAL, RangeReader, chunks, verify_pins
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment
from include.checkpoint.writing.disk import room_for
from include.checkpoint.writing.progress import Progress, no_progress

FILES_AT_ONCE = 2
COPY_BYTES = 32 * 2**20
# From one file system to another, and on one that does not offer it.
_CANNOT_COPY = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS)


def materialize(
    checkpoint: Checkpoint, out_dir: Path, *, progress: Progress = no_progress, reader: RangeReader = LOCAL
) -> None:
    """Write the checkpoint's files into ``out_dir``, which appears only when they are all whole and on the disk.

    Raises OutputExistsError when ``out_dir`` is there already and SourceChangedError when a source changed meanwhile.
    """
    out_dir = Path(out_dir).absolute()
    if out_dir.exists():
        raise OutputExistsError(str(out_dir))
    partial = partial_of(out_dir)
    try:
        verify_pins(checkpoint, reader)
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
    done = 0
    # One file is sent to the disk while the next is copied.
    with room_for(folder, checkpoint.size), ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        writes = [pool.submit(_write, file, folder / file.name, reader) for file in checkpoint.files]
        try:
            for count, (file, write) in enumerate(zip(checkpoint.files, writes, strict=True)):
                progress(count, len(checkpoint.files), done, checkpoint.size)
                write.result()
                done += file.size
        finally:
            pool.shutdown(cancel_futures=True)
    progress(len(checkpoint.files), len(checkpoint.files), done, checkpoint.size)


def _write(file: CheckpointFile, path: Path, reader: RangeReader) -> None:
    with path.open("wb") as out:
        lay_out_blocks(out.fileno(), file.size)
        for run in _runs(file):
            if is_s3_uri(run.uri) or not _copy_within_system(run, out):
                for chunk in chunks(CheckpointFile(name=run.uri, segments=(run,)), reader):
                    out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if path.stat().st_size != file.size:
        raise OutputDamagedError(str(path), f"{file.size} bytes", f"{path.stat().st_size}")


def _runs(file: CheckpointFile) -> list[Segment]:
    """Yield the file's segments; adjacent ones of the same source are joined."""
    runs: list[Segment] = []
    for segment in file.segments:
        last = runs[-1] if runs else None
        if last and last.uri == segment.uri and last.offset + last.length == segment.offset:
            runs[-1] = Segment(uri=last.uri, offset=last.offset, length=last.length + segment.length)
        else:
            runs.append(segment)
    return runs


def _copy_within_system(run: Segment, out: BinaryIO) -> bool:
    """Copy the bytes inside the kernel; return False if the system or its file systems cannot."""
    if not hasattr(os, "copy_file_range"):
        return False
    start = out.tell()
    with Path(run.uri).open("rb", buffering=0) as source:
        done = 0
        while done < run.length:
            try:
                wanted = min(run.length - done, COPY_BYTES)
                copied = os.copy_file_range(source.fileno(), out.fileno(), wanted, run.offset + done, start + done)
            except OSError as error:
                if done or error.errno not in _CANNOT_COPY:
                    raise
                return False
            if not copied:
                raise OutputDamagedError(run.uri, f"{run.length} bytes from {run.offset}", f"{done}")
            done += copied
            start_write_back(out.fileno())
    out.seek(start + done)
    return True
