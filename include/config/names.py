"""Names that configuration files and DAGs share: patterns of model names and role ARNs, and the ids of DAGs."""

from __future__ import annotations

import re

ROLE_ARN = re.compile(r"arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+")
#: Fits at once a job name, an imported model name, a registry group, a DAG id and an S3 key.
MODEL_NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MODEL_NAME_MAX_LENGTH = 40
#: The DAG with a form for any model; each model with a file has its own DAG.
FORM_DAG_ID = "import_model"
#: The form's DAG would be the model's own, and these are folders of an import in S3.
RESERVED_MODEL_NAMES = ("model", "checkpoint", "evaluations")
#: The start of its fingerprint is in every name of an import, so that all imports of one content are found by name.
SHORT_FINGERPRINT_LENGTH = 12
SHORT_FINGERPRINT = re.compile(rf"[0-9a-f]{{{SHORT_FINGERPRINT_LENGTH}}}")


def why_no_model_name(name: str) -> str | None:
    """Return why a name of the right form cannot be a model's; None when it can."""
    if name in RESERVED_MODEL_NAMES:
        return f"{name!r} is reserved: it is a folder of every import, or the form's own DAG"
    if any(map(SHORT_FINGERPRINT.fullmatch, name.split("-"))):
        return f"a part of {SHORT_FINGERPRINT_LENGTH} hexadecimal digits is reserved: it names an import"
    return None


def import_dag_id(model_name: str) -> str:
    """Return the id of the DAG that imports the model with this name."""
    return f"import_{model_name.replace('-', '_')}"


def fine_tune_dag_id(model_name: str) -> str:
    """Return the id of the DAG that trains an adapter of the model with this name."""
    return f"fine_tune_{model_name.replace('-', '_')}"


def fine_tunes_asset_name(model_name: str) -> str:
    """Return the name of the Airflow asset whose events name new adapters of the model."""
    return f"fine-tunes-of-{model_name}"
