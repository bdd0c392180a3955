"""Airflow DAG roll_back_model: makes an earlier version of a model the champion again."""

from __future__ import annotations

import sys
from pathlib import Path

# However Airflow found this file, with or without PYTHONPATH: the project's folders, unless they are known already.
_DAGS = Path(__file__).parent
sys.path += [path for path in map(str, (_DAGS, _DAGS.parent, _DAGS.parent / "plugins")) if path not in sys.path]

from model_import_dag.rolling_back import build_roll_back_dag  # noqa: E402

dag = build_roll_back_dag()
