"""Paths of the project and of a run's folder in the workspace."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def project_path(text: str) -> Path:
    """Return the path, relative ones taken from the project's root."""
    return PROJECT_ROOT / text


def run_workspace(root: str, dag_id: str, run_id: str) -> str:
    """Return the folder of this run in the workspace."""
    return str(project_path(root) / dag_id / re.sub(r"[^A-Za-z0-9._-]", "_", run_id))
