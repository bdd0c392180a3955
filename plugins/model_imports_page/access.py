"""Access control: Airflow's login, and its permissions on the DAGs that import the models."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from fastapi import Depends, HTTPException
from sqlalchemy import select

from include.config.names import FORM_DAG_ID, fine_tune_dag_id, import_dag_id


class Viewer(NamedTuple):
    """A user who is logged in: the DAGs that they can read, all DAGs that import, and all that fine-tune."""

    readable_dags: frozenset[str]
    import_dags: frozenset[str]
    fine_tune_dags: frozenset[str]

    def dag_of(self, model_name: str) -> str:
        """Return the id of the DAG that imports the model: its own, or the form for any model."""
        dag_id = import_dag_id(model_name)
        return dag_id if dag_id in self.import_dags else FORM_DAG_ID

    def may_see(self, model_name: str) -> bool:
        """Return whether the user may read the model's DAG."""
        return self.dag_of(model_name) in self.readable_dags


def _dags(prefix: str) -> frozenset[str]:
    with create_session() as session:
        starts = DagModel.dag_id.startswith(prefix, autoescape=True)
        return frozenset(session.scalars(select(DagModel.dag_id).where(starts)))


def _viewer(user: GetUserDep) -> Viewer:
    readable = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    return Viewer(frozenset(readable), _dags(import_dag_id("")), _dags(fine_tune_dag_id("")))


#: 401 for a user who is not logged in, 403 for one who cannot read DAG runs.
MAY_READ_RUNS = Depends(requires_access_dag("GET", DagAccessEntity.RUN))
ViewerDep = Annotated[Viewer, Depends(_viewer)]


def _visible_model(model_name: str, viewer: ViewerDep) -> str:
    if not viewer.may_see(model_name):
        raise HTTPException(403, "Forbidden")
    return model_name


#: The model named in the path, when the viewer may see it; otherwise 403, whether it exists or not.
VisibleModel = Annotated[str, Depends(_visible_model)]
