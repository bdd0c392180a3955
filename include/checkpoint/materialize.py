"""An ordinary folder from a Checkpoint."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from include.checkpoint.atomic import PARTIAL_SUFFIX, WriteBack, lay_out_blocks, sync
from include.checkpoint.errors import DiskFullError, OutputDamagedError, OutputExistsError
from include.checkpoint.progress import Progress, no_progress
from include.checkpoint.reading import LOCAL, S3_SCHEME, RangeReader, chunks, verify_pins
from include.checkpoint.segments import Checkpoint, CheckpointFile, Segment

COPY_BYTES = 16 * 2**20
FILES_AT_ONCE = 2


def materialize(
    checkpoint: Checkpoint, out_dir: Path, *, progress: Progress = no_progress, reader: RangeReader = LOCAL
) -> None:
    """Write the checkpoint's files into ``out_dir``, which appears only when they are all whole and on the disk.

    Raises OutputExistsError when ``out_dir`` is there already and SourceChangedError when a source changed meanwhile.
    """
    out_dir = Path(out_dir).absolute()
    if out_dir.exists():
        raise OutputExistsError(str(out_dir))
    verify_pins(checkpoint, reader)
    partial = out_dir.with_name(out_dir.name + PARTIAL_SUFFIX)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write_files(checkpoint, partial, progress, reader)
        verify_pins(checkpoint, reader)
        sync(partial)
        partial.rename(out_dir)
        sync(out_dir.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_files(checkpoint: Checkpoint, folder: Path, progress: Progress, reader: RangeReader) -> None:
    free = shutil.disk_usage(folder).free
    if free < checkpoint.size:
        raise DiskFullError(str(folder), checkpoint.size, free)
    done = 0
    # One file is sent to the disk while the next is copied.
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
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
        write_back = WriteBack(out.fileno())
        for run in _runs(file):
            if run.uri.startswith(S3_SCHEME) or not hasattr(os, "copy_file_range"):
                for chunk in chunks(CheckpointFile(name=file.name, segments=(run,)), reader):
                    out.write(chunk)
                    write_back.up_to(out.tell())
                out.flush()
            else:
                _copy_range(run, out.fileno(), write_back)
        os.fsync(out.fileno())
    if path.stat().st_size != file.size:
        raise OutputDamagedError(str(path), f"{file.size} bytes", f"{path.stat().st_size}")


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


def _copy_range(run: Segment, out: int, write_back: WriteBack) -> None:
    with Path(run.uri).open("rb", buffering=0) as source:
        os.lseek(source.fileno(), run.offset, os.SEEK_SET)
        left = run.length
        while left:
            copied = os.copy_file_range(source.fileno(), out, min(left, COPY_BYTES))
            if not copied:
                raise OutputDamagedError(run.uri, f"{run.length} bytes from {run.offset}", f"{run.length - left}")
            left -= copied
            write_back.up_to(os.lseek(out, 0, os.SEEK_CUR))
