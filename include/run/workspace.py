"""Paths of the project, and a run's place in the workspace."""

from __future__ import annotations

import hashlib
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from include.checkpoint.files.atomic import write_file
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
    """A run's place in the workspace: a folder that all workers share."""

    place: str

    @property
    def folder(self) -> Path:
        """The local folder in which the run's tasks compute."""
        return Path(self.place)

    def read(self, name: str) -> bytes | None:
        """Return a file that an earlier task left, or None where there is none."""
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    def write(self, name: str, data: bytes) -> None:
        """Leave a small file for a later task, which finds all of it or nothing."""
        write_file(self.folder / name, data)


def run_workspace(root: str, dag_id: str, run_id: str) -> str:
    """Return the folder of this run in the workspace, unique among runs.

    Characters of a run id that a folder cannot have become ``_``, so a digest of the whole id follows.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", run_id)[:_LONGEST_READABLE]
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:_DIGEST_LENGTH]
    return str(project_path(root) / dag_id / f"{readable}-{digest}")


def clear_run_workspace(root: str, dag_id: str, run_id: str) -> None:
    """Remove the folder of this run from the workspace, and the DAG's when it is empty then.

    Raises:
        WorkspaceOutsideRootError: a link leads out of the workspace.
    """
    folder = Path(run_workspace(root, dag_id, run_id))
    inside = project_path(root).resolve() / dag_id / folder.name
    if folder.resolve() != inside:
        raise WorkspaceOutsideRootError(folder, folder.resolve())
    shutil.rmtree(inside, ignore_errors=True)
    with suppress(OSError):  # other runs of the DAG have folders there
        inside.parent.rmdir()
