"""Airflow DAG retire_imported_models: list old imported models weekly; delete them when ``dry_run`` is off."""

from __future__ import annotations

import sys
from pathlib import Path

# However Airflow found this file, with or without PYTHONPATH: the project's folders, unless they are known already.
_DAGS = Path(__file__).parent
sys.path += [path for path in map(str, (_DAGS, _DAGS.parent, _DAGS.parent / "plugins")) if path not in sys.path]

from model_import_dag.retirement import build_retirement_dag  # noqa: E402

dag = build_retirement_dag()
