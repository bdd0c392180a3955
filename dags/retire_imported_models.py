"""Airflow DAG retire_imported_models: list old imported models weekly; delete them when ``dry_run`` is off."""

from __future__ import annotations

from model_import_dag.retirement import build_retirement_dag

dag = build_retirement_dag()
