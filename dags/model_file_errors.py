"""Shows files of dags/models/ that describe no model as an Airflow import error, while import_models.py builds the others."""

from __future__ import annotations

from model_import_dag.loader import raise_on_broken_model_files

raise_on_broken_model_files()
