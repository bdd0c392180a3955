from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ParamValidationError
from airflow.sdk import DAG

from include.registry.sagemaker import SageMakerRegistry
from include.retention.named_model import ModelNotImportedError
from model_import_dag.retirement import build_retirement_dag
from tests.integration.retention.conftest import Imports
from tests.support.bedrock_stand_in import CREDENTIALS, REGION


@pytest.fixture
def dag(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> DAG:
    extra = {"region_name": REGION, "endpoint_url": imports.aws.endpoint}
    login, password = CREDENTIALS.values()
    connection = {"conn_type": "aws", "login": login, "password": password, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_RETENTION", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_VAR_MODEL_IMPORT_AWS_CONN_ID", "aws_retention")
    return build_retirement_dag()


def run(dag: DAG, **conf: Any) -> dict[str, Any]:
    """What the tasks return, one after the other, each given what crossed the task border as JSON."""
    params = {**dag.params.dump(), **conf}
    models = call(dag, "list_models", params=params)
    planned = call(dag, "plan", models, params=params)
    return {"plan": planned, "retire": call(dag, "retire", planned, params=params)}


def call(dag: DAG, task_id: str, *arguments: Any, **keywords: Any) -> Any:
    return json.loads(json.dumps(dag.get_task(task_id).python_callable(*arguments, **keywords)))


def test_by_default_the_dag_shows_what_could_go_and_changes_nothing(dag: DAG, imports: Imports) -> None:
    imports.add("first")
    imports.register("first", "Rejected")
    imports.approve("second", "third")
    results = run(dag)
    assert imports.left() == {"first", "second", "third"}
    assert results["retire"]["summary"] == "Dry run: nothing was retired, 1 could go"
    name = imports.names("first").imported_model_name
    assert f"{name}: version 1 was rejected" in results["plan"]["summary"]
    assert "To retire: 1 (1.95 USD storage a month for 1 model)" in results["plan"]["summary"]


def test_told_to_the_dag_retires_and_says_what(dag: DAG, imports: Imports) -> None:
    imports.approve("first", "second", "third")
    results = run(dag, dry_run=False, keep=2, delete_checkpoint=True)
    assert imports.left() == {"second", "third"}
    assert imports.keys("first") == []
    assert f"  {imports.names('first').imported_model_name}: version 1 is not among" in results["retire"]["summary"]
    assert SageMakerRegistry(imports.clients.sagemaker).champion(imports.group) is not None


def test_none_are_kept_beside_the_champion_when_the_form_says_0(dag: DAG, imports: Imports) -> None:
    dag.params["keep"] = 0
    imports.approve("first", "second")
    run(dag, dry_run=False)
    assert imports.left() == {"second"}


def test_the_dag_can_be_limited_to_one_model(dag: DAG, imports: Imports) -> None:
    other = Imports(imports.aws, imports.checkpoint, f"{imports.group}-rivers")
    for model in (imports, other):
        model.approve("first", "second")
    run(dag, dry_run=False, keep=1, model_name=other.group)
    assert (imports.left(), other.left()) == ({"first", "second"}, {"second"})


def test_a_model_name_of_which_nothing_is_imported_is_refused_with_those_that_are(dag: DAG, imports: Imports) -> None:
    imports.approve("first")
    with pytest.raises(ModelNotImportedError, match=f"(?s)captials.*{imports.group}"):
        run(dag, model_name="captials")


def test_the_young_stay_when_the_form_says_so(dag: DAG, imports: Imports) -> None:
    imports.approve("first", "second", "third")
    run(dag, dry_run=False, keep=1, younger_than_days=1)
    assert imports.left() == {"first", "second", "third"}


def test_a_repeated_retire_task_finishes_what_it_began(dag: DAG, imports: Imports) -> None:
    imports.approve("first", "second", "third")
    planned = run(dag)["plan"]
    imports.clients.bedrock.delete_imported_model(modelIdentifier=imports.arns["first"])
    params = {"dry_run": False}
    again = dag.get_task("retire").python_callable(planned, params=params)
    assert [model["name"] for model in again["retired"]] == [imports.names("first").imported_model_name]


@pytest.mark.parametrize(
    ("field", "value"),
    [("keep", -1), ("keep", "two"), ("model_name", "../capitals"), ("younger_than_days", -1), ("dry_run", "maybe")],
)
def test_the_form_refuses_what_is_no_policy(dag: DAG, field: str, value: object) -> None:
    with pytest.raises(ParamValidationError):
        dag.params[field] = value


def test_the_dag_runs_weekly_and_dry_unless_told_otherwise(dag: DAG) -> None:
    assert dag.schedule == "@weekly"
    assert dag.params["dry_run"] is True
    assert [task.task_id for task in dag.topological_sort()] == ["list_models", "plan", "retire"]
