"""Airflow plugin: a note on each run of a DAG for any model, which names the run's model in Airflow's list of runs."""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

#: The DAGs whose runs name their model in a parameter; the other DAGs are of one model each.
DAG_IDS = ("import_model", "roll_back_model", "retire_imported_models")


class RunNotes:
    """Listens to runs that start; the scheduler calls it with the run in its session."""

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:
        """Note the run's model, unless a person has written a note."""
        model_name = (dag_run.conf or {}).get("model_name")
        if dag_run.dag_id in DAG_IDS and isinstance(model_name, str) and model_name and not dag_run.note:
            dag_run.note = f"Model: {model_name}"


class RunNotesPlugin(AirflowPlugin):
    """The listener."""

    name = "run_notes"
    listeners = [RunNotes()]  # noqa: RUF012  # as Airflow's base class declares it
