"""Paths of the project, and a run's place in the workspace."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from include.aws.s3 import read_object_if_any, request
from include.aws.s3_uri import S3Uri, is_s3_uri
from include.checkpoint.files.atomic import write_file
from include.config.account import default_workspace
from include.errors import ModelImportError

#: Not resolved: git-sync replaces the folder that a link leads to, also while a task runs.
PROJECT_ROOT = Path(__file__).absolute().parents[2]
#: On Amazon MWAA, include/ is among the DAGs.
MODELS_FOLDER = next(
    (folder for folder in (PROJECT_ROOT / "dags/models", PROJECT_ROOT / "models") if folder.is_dir()),
    PROJECT_ROOT / "dags/models",
)
#: A file name has 255 bytes, a run id up to 250.
_LONGEST_READABLE, _DIGEST_LENGTH = 200, 12
_RUN_FOLDER = re.compile(rf".*-[0-9a-f]{{{_DIGEST_LENGTH}}}")
#: The folder beside those of the DAGs that outlives runs.
CACHE = "cache"
#: Longer than any task runs: scratch space that is older was left by a task that was killed.
SCRATCH_SECONDS = 2 * 86400.0


def project_path(text: str) -> Path:
    """Return the path; relative paths are relative to the project's root."""
    return PROJECT_ROOT / text


class WorkspaceOutsideRootError(ModelImportError):
    """A link leads out of the workspace; nothing was removed."""

    def __init__(self, folder: Path, found: Path) -> None:
        super().__init__(
            "The run's folder is not in the workspace",
            str(folder),
            "a folder, and no link on the way to it",
            str(found),
            "Remove the link; the files behind it were not touched.",
        )


class Workspace(NamedTuple):
    """A run's place in the workspace: a folder that all workers share, or the URI of a prefix in S3.

    With a prefix in S3, a task computes in scratch space of its worker, and what a later task needs goes to S3.
    """

    place: str

    @property
    def in_s3(self) -> bool:
        """Whether the place is in S3."""
        return is_s3_uri(self.place)

    @property
    def folder(self) -> Path:
        """The local folder in which the run's tasks compute."""
        if not self.in_s3:
            return Path(self.place)
        dag_id, run = self.place.split("/")[-2:]
        return Path(default_workspace()) / dag_id / run

    def read(self, name: str, s3: Any) -> bytes | None:
        """Return a file that an earlier task left, or None where there is none; raises S3RequestError."""
        if self.in_s3:
            return read_object_if_any(s3, f"{self.place}/{name}")
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    def write(self, name: str, data: bytes, s3: Any) -> None:
        """Leave a small file for a later task, which finds all of it or nothing; raises S3RequestError."""
        if not self.in_s3:
            write_file(self.folder / name, data)
            return
        uri = f"{self.place}/{name}"
        arguments = {**S3Uri.parse(uri).arguments, "Body": data, "ChecksumAlgorithm": "CRC64NVME"}
        request(s3, "put_object", uri, arguments)

    def remove(self, name: str, s3: Any) -> None:
        """Remove a file from a place in S3; raises S3RequestError."""
        uri = f"{self.place}/{name}"
        request(s3, "delete_object", uri, S3Uri.parse(uri).arguments)

    def clear_scratch(self) -> None:
        """Remove the scratch space of this run from this worker, and what killed tasks of other runs left long ago."""
        if not self.in_s3:
            return
        _remove_run_folder(self.folder)
        for folder in Path(default_workspace()).glob("*/*"):
            if folder.parent.name != CACHE and _RUN_FOLDER.fullmatch(folder.name) and _is_abandoned(folder):
                _remove_run_folder(folder)


def _is_abandoned(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > SCRATCH_SECONDS
    except OSError:  # another task removed it
        return False


def run_workspace(root: str, dag_id: str, run_id: str) -> str:
    """Return the folder of this run in the workspace, or the URI of its prefix in S3, unique among runs.

    Characters of a run id that a folder cannot have become ``_``, so a digest of the whole id follows.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", run_id)[:_LONGEST_READABLE]
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:_DIGEST_LENGTH]
    name = f"{readable}-{digest}"
    return f"{root.rstrip('/')}/{dag_id}/{name}" if is_s3_uri(root) else str(project_path(root) / dag_id / name)


def clear_run_workspace(root: str, dag_id: str, run_id: str) -> None:
    """Remove the folder of this run from a workspace that is a folder, and the DAG's when it is empty then.

    Raises:
        WorkspaceOutsideRootError: a link leads out of the workspace.
    """
    folder = Path(run_workspace(root, dag_id, run_id))
    inside = project_path(root).resolve() / dag_id / folder.name
    if folder.resolve() != inside:
        raise WorkspaceOutsideRootError(folder, folder.resolve())
    _remove_run_folder(inside)


def _remove_run_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # other runs of the DAG have folders there
        folder.parent.rmdir()
