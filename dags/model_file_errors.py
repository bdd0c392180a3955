"""Shows broken files of dags/models/ as an Airflow import error; import_models.py builds the DAGs of the others."""

from __future__ import annotations

import sys
from pathlib import Path

# However Airflow found this file, with or without PYTHONPATH: the project's folders, unless they are known already.
_DAGS = Path(__file__).parent
sys.path += [path for path in map(str, (_DAGS, _DAGS.parent, _DAGS.parent / "plugins")) if path not in sys.path]

from model_import_dag.loader import raise_on_broken_model_files  # noqa: E402

raise_on_broken_model_files()
