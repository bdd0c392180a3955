"""The folder of the models' files, and the file of a DAG's model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.config.model import ModelConfig

MODELS_FOLDER = Path(__file__).absolute().parent.parent / "models"
#: The DAG carries its model's file under this name; Airflow stores no macros in its database.
MODEL_FILE = "model_file"


def file_of(context: Mapping[str, Any]) -> ModelConfig | None:
    """Return the file of the DAG's model; None for the form, and for the DAGs that are not one model's."""
    found: ModelConfig | None = (context["dag"].user_defined_macros or {}).get(MODEL_FILE)
    return found


def model_name_of(context: Mapping[str, Any]) -> str:
    """Return the name of the run's model; empty for a run of retirement that names none."""
    file = file_of(context)
    return file.model_name if file else str(context["params"].get("model_name") or "")
