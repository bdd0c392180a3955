"""Airflow DAG roll_back_model: makes an earlier version of a model the champion again."""

from __future__ import annotations

from model_import_dag.rolling_back import build_roll_back_dag

dag = build_roll_back_dag()
