"""A model belongs to one DAG: no other replaces its champion or deletes its versions."""

from __future__ import annotations

from typing import Any

from include.config.names import FORM_DAG_ID, import_dag_id
from include.errors import ModelImportError
from include.registry.groups import find_group, is_own, owner_of


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


class GroupOfOthersError(ModelImportError):
    """The form's model has the name of a registry group that this project did not make."""

    def __init__(self, model_name: str) -> None:
        super().__init__(
            "The registry group of this name belongs to others",
            model_name,
            "a group that this project made, or none",
            "a group that other software or a person made",
            "Import under another model_name, or describe the model in a file in dags/models/.",
        )


def check_owner(sagemaker: Any, model_name: str, dag_id: str) -> None:
    """Refuse a DAG that does not own the model.

    The owner is the DAG that made the registry group. The model's own DAG, which has the model's file, may take over a
    model that was first imported with the form, and a group without an owner belongs to whoever imports it. Into a
    group that other software made, only a model's own DAG registers: the author of its file decided that.

    Raises:
        ModelOwnedByOtherDagError: another DAG owns the model.
        GroupOfOthersError: the form names a group that this project did not make.
    """
    group = find_group(sagemaker, model_name)
    if group and dag_id == FORM_DAG_ID and not is_own(group):
        raise GroupOfOthersError(model_name)
    owner = owner_of(group) if group else ""
    if owner and dag_id not in (owner, import_dag_id(model_name)):
        raise ModelOwnedByOtherDagError(model_name, dag_id, owner)
