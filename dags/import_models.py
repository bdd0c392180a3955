"""Airflow DAGs: import_model, a form for any model, and one import DAG per file of dags/models/."""

from __future__ import annotations

from model_import_dag.loader import load_dags

globals().update(load_dags())
