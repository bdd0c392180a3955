"""Airflow DAGs: one fine-tune per file of dags/models/ that has a section ``training``."""

from __future__ import annotations

import sys
from pathlib import Path

# However Airflow found this file, with or without PYTHONPATH: the project's folders, unless they are known already.
_DAGS = Path(__file__).parent
sys.path += [path for path in map(str, (_DAGS, _DAGS.parent, _DAGS.parent / "plugins")) if path not in sys.path]

from model_import_dag.loader import load_fine_tune_dags  # noqa: E402

globals().update(load_fine_tune_dags())
