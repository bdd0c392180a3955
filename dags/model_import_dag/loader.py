"""Build the DAGs: the form for any model, and one per file of dags/models/."""

from __future__ import annotations

import logging
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from include.config.model import ModelConfig, ModelFileInvalidError, read_model_file
from include.config.names import FORM_DAG_ID, import_dag_id
from include.errors import ModelImportError
from model_import_dag.factory import build_import_dag
from model_import_dag.schedules import schedule_problem

MODELS_FOLDER = Path(__file__).resolve().parent.parent / "models"

log = logging.getLogger(__name__)


class BrokenModelFilesError(ModelImportError):
    """Some files of dags/models/ describe no model; the DAGs of the others are there."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("Model files without a DAG", found="\n" + "\n".join(errors))


class ModelNameTakenError(ModelFileInvalidError):
    """Two files describe a model of the same name."""

    def __init__(self, source: str, model_name: str) -> None:
        super().__init__(source, (f"model_name: {model_name!r} is taken by another file",))


def _read_models(folder: Path) -> tuple[dict[str, ModelConfig], tuple[ModelFileInvalidError, ...]]:
    """Return the valid models by DAG id, and what is wrong with the other files."""
    models: dict[str, ModelConfig] = {}
    errors: list[ModelFileInvalidError] = []
    for path in sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"}):
        try:
            config = read_model_file(path)
            dag_id = import_dag_id(config.model_name)
            if dag_id in models or dag_id == FORM_DAG_ID:
                raise ModelNameTakenError(path.name, config.model_name)
            if problem := schedule_problem(config):
                raise ModelFileInvalidError(path.name, (problem,))
            models[dag_id] = config
        except ModelFileInvalidError as error:
            errors.append(error)
    return models, tuple(errors)


def load_dags(folder: Path = MODELS_FOLDER) -> dict[str, DAG]:
    """Return the DAGs by id, or only the one that a running task needs; broken model files are left out and logged."""
    models, errors = _read_models(folder)
    for error in errors:
        log.error("%s", error)
    wanted = get_parsing_context().dag_id
    configs: dict[str, ModelConfig | None] = {FORM_DAG_ID: None, **models}
    return {dag_id: build_import_dag(dag_id, config) for dag_id, config in configs.items() if wanted in (None, dag_id)}


def raise_on_broken_model_files(folder: Path = MODELS_FOLDER) -> None:
    """Raise BrokenModelFilesError, which names the files and fields, if some describe no model."""
    _, errors = _read_models(folder)
    if errors:
        raise BrokenModelFilesError(tuple(map(str, errors)))
