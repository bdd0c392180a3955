"""Names that configuration files and DAGs share: patterns of model names and role ARNs, and the ids of DAGs."""

from __future__ import annotations

import re

ROLE_ARN = re.compile(r"arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+")
#: Fits at once a job name, an imported model name, a registry group, a DAG id and an S3 key.
MODEL_NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MODEL_NAME_MAX_LENGTH = 40
#: The DAG with a form for any model; each model with a file has its own DAG.
FORM_DAG_ID = "import_model"


def import_dag_id(model_name: str) -> str:
    """Return the id of the DAG that imports the model with this name."""
    return f"import_{model_name.replace('-', '_')}"
