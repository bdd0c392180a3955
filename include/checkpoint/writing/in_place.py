"""The files of an output folder, filled by a merge at once: what it changes need not be copied there later."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from include.checkpoint.errors import OutputExistsError
from include.checkpoint.files.atomic import partial_of
from include.checkpoint.files.tensors import StoredTensor
from include.checkpoint.writing.disk import room_for
from include.checkpoint.writing.growing_file import GrowingFile, Place


@contextmanager
def places_in(out_dir: Path, size: int, tensors: Mapping[str, StoredTensor]) -> Iterator[dict[str, Place]]:
    """Where these tensors lie in the folder that ``materialize`` will finish, if their files keep their headers.

    ``size`` is the whole folder's. Nothing is left of it when the block ends badly. Raises OutputExistsError and
    DiskFullError.
    """
    out_dir = out_dir.absolute()
    if out_dir.exists():
        raise OutputExistsError(str(out_dir))
    partial = partial_of(out_dir)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files: dict[str, GrowingFile] = {}
    try:
        with room_for(out_dir.parent, size), ExitStack() as opened:
            for file in {stored.file.name: stored.file for stored in tensors.values()}.values():
                growing = GrowingFile(partial / file.name, file.size, durable=True)
                files[file.name] = opened.enter_context(closing(growing))
            yield {
                name: Place(files[stored.file.name], str(partial / stored.file.name), stored.offset)
                for name, stored in tensors.items()
            }
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
