"""A model belongs to one DAG: no other replaces its champion or deletes its versions."""

from __future__ import annotations

from typing import Any

from include.config.names import import_dag_id
from include.errors import ModelImportError
from include.registry.groups import group_owner


class ModelOwnedByOtherDagError(ModelImportError):
    """Another DAG owns the model."""

    def __init__(self, model_name: str, dag_id: str, owner: str) -> None:
        super().__init__(
            "Another DAG owns this model",
            model_name,
            f"a run of {owner}, which registered it first, or of {import_dag_id(model_name)}",
            f"a run of {dag_id}",
            "Trigger that DAG, or import under another model_name.",
        )


def check_owner(sagemaker: Any, model_name: str, dag_id: str) -> None:
    """Refuse a DAG that does not own the model.

    The owner is the DAG that made the registry group. The model's own DAG, which has the model's file, may take over a
    model that was first imported with the form, and a group without an owner belongs to whoever imports it.

    Raises:
        ModelOwnedByOtherDagError: another DAG owns the model.
    """
    owner = group_owner(sagemaker, model_name)
    if owner and dag_id not in (owner, import_dag_id(model_name)):
        raise ModelOwnedByOtherDagError(model_name, dag_id, owner)
