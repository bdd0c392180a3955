"""Restrict the folders of a worker that a model's file or a run may name."""

from __future__ import annotations

import os
from pathlib import Path

from include.config.account import AccountConfig
from include.errors import ModelImportError
from include.run.workspace import PROJECT_ROOT, project_path


class LocalPathOutsideError(ModelImportError):
    """A local path is outside the folders that may be read."""

    def __init__(self, path: str, roots: tuple[Path, ...]) -> None:
        super().__init__(
            "This path may not be read",
            path,
            f"a path inside of {', '.join(map(str, roots))}",
            "a path outside of them, or one that a link leads out of them",
            "Move the files there, or add their folder to the Airflow Variable model_import_local_folders.",
        )


def local_path(text: str, account: AccountConfig) -> Path:
    """Return the path that a model's file or a run names; relative paths are relative to the project's root.

    Raises:
        LocalPathOutsideError: the path is, or links, outside the project, the workspace and ``local_folders``.
    """
    path = project_path(os.path.expanduser(text))  # noqa: PTH111  # a text may not be a path yet
    roots = _roots(account)
    if not any(path.resolve().is_relative_to(root) for root in roots):
        raise LocalPathOutsideError(text, roots)
    return path


def _roots(account: AccountConfig) -> tuple[Path, ...]:
    more = [folder for folder in (account.local_folders or "").split(os.pathsep) if folder]
    return tuple(project_path(folder).resolve() for folder in (str(PROJECT_ROOT), account.local_workspace, *more))
