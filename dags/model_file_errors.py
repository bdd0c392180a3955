"""Shows broken files of dags/models/ as an Airflow import error; import_models.py builds the DAGs of the others."""

from __future__ import annotations

from model_import_dag.loader import raise_on_broken_model_files

raise_on_broken_model_files()
