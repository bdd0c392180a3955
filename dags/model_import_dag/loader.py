"""Build the DAGs: the form for any model, and one per file of dags/models/."""

from __future__ import annotations

import logging
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from include.config.files import read_model_files
from include.config.model import ModelConfig
from include.config.names import FORM_DAG_ID, fine_tune_dag_id, import_dag_id
from model_import_dag.factory import build_import_dag
from model_import_dag.fine_tune import build_fine_tune_dag
from model_import_dag.model_files import MODELS_FOLDER
from model_import_dag.schedules import schedule_problem

log = logging.getLogger(__name__)


def load_dags(folder: Path = MODELS_FOLDER) -> dict[str, DAG]:
    """Return the DAGs by id, or only the one that a running task needs; broken model files are left out and logged."""
    files = read_model_files(folder, schedule_problem)
    for error in files.errors:
        log.error("%s", error)
    wanted = get_parsing_context().dag_id
    configs: dict[str, ModelConfig | None] = {FORM_DAG_ID: None}
    configs |= {import_dag_id(name): config for name, config in files.configs.items()}
    return {dag_id: build_import_dag(dag_id, config) for dag_id, config in configs.items() if wanted in (None, dag_id)}


def load_fine_tune_dags(folder: Path = MODELS_FOLDER) -> dict[str, DAG]:
    """Return the DAGs by id that train adapters, or only the one that a running task needs.

    Broken model files are left out; ``load_dags`` logs them.
    """
    wanted = get_parsing_context().dag_id
    trained = (config for config in read_model_files(folder, schedule_problem).configs.values() if config.training)
    configs = {fine_tune_dag_id(config.model_name): config for config in trained}
    return {dag_id: build_fine_tune_dag(config) for dag_id, config in configs.items() if wanted in (None, dag_id)}


def raise_on_broken_model_files(folder: Path = MODELS_FOLDER) -> None:
    """Raise BrokenModelFilesError, which names the files and fields, if some describe no model."""
    read_model_files(folder, schedule_problem).raise_on_errors()
