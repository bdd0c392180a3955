"""Airflow DAG retire_imported_models: once a week, show which imported models could go; retire them when asked to."""

from __future__ import annotations

from model_import_dag.retirement import build_retirement_dag

dag = build_retirement_dag()
