"""A model whose file names a region of its own is retired, rolled back and shown there."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.aws.clients import AwsClients
from include.config.account import AccountConfig
from include.config.errors import BrokenModelFilesError
from include.overview.reader import OverviewReader
from include.publishing.pointer import read_pointer
from include.registry.sagemaker import SageMakerRegistry
from model_import_dag import publishing, retirement, rolling_back
from tests.integration.retention.conftest import Imports
from tests.support.bedrock_stand_in import CREDENTIALS, REGION

VARIABLES_REGION = "us-west-2"


@pytest.fixture(autouse=True)
def models_folder(imports: Imports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the model's file, which names the region of its imports; the Variables name another."""
    login, password = CREDENTIALS.values()
    extra = {"region_name": VARIABLES_REGION, "endpoint_url": imports.aws.endpoint}
    connection = {"conn_type": "aws", "login": login, "password": password, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_RETENTION", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_VAR_MODEL_IMPORT_AWS_CONN_ID", "aws_retention")
    for module in (publishing, retirement, rolling_back):
        monkeypatch.setattr(module, "MODELS_FOLDER", tmp_path)
    text = f"model_name: {imports.group}\nbase: a\nevaluation: {{dataset: b}}\naccount: {{region_name: {REGION}}}\n"
    (tmp_path / "model.yaml").write_text(text + "retention: {keep: 1}\n")
    return tmp_path


def retire(**conf: Any) -> dict[str, Any]:
    """What the tasks of the retirement DAG return, each given what crossed the task border as JSON."""
    dag = retirement.build_retirement_dag()
    params = {**dag.params.dump(), **conf}

    def call(task_id: str, *arguments: Any) -> Any:
        task: Any = dag.get_task(task_id)
        return json.loads(json.dumps(task.python_callable(*arguments, params=params)))

    planned = call("plan", call("list_models"))
    return {"plan": planned, "retire": call("retire", planned)}


@pytest.mark.parametrize("named", [True, False])
def test_the_retirement_dag_deletes_where_the_models_file_imports(named: bool, imports: Imports) -> None:
    imports.approve("first", "second")
    done = retire(dry_run=False, **({"model_name": imports.group} if named else {}))
    assert imports.left() == {"second"}
    assert f"Connection aws_retention, {REGION}:" in done["plan"]["summary"]
    assert [model["arn"] for model in done["retire"]["retired"]] == [imports.arns["first"]]


def test_a_model_that_two_connections_see_is_planned_once(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MODEL_IMPORT_REGION_NAME", REGION)
    imports.approve("first", "second")
    assert retire()["retire"]["summary"] == "Dry run: nothing was retired, 1 could go"


def roll_back(imports: Imports) -> dict[str, Any]:
    dag = rolling_back.build_roll_back_dag()
    task: Any = dag.get_task("roll_back")
    params = {"model_name": imports.group, "version": 1, "reason": "wrong answers"}
    found: dict[str, Any] = task.python_callable(
        params=params, dag=dag, run_id="one", dag_run=SimpleNamespace(triggering_user_name="maria")
    )
    return found


def test_a_roll_back_changes_the_registry_of_the_models_region(imports: Imports) -> None:
    imports.approve("first", "second")
    assert roll_back(imports)["changed"]
    champion = SageMakerRegistry(imports.clients.sagemaker).champion(imports.group)
    assert champion is not None
    assert champion.number == 1


def test_after_a_roll_back_applications_are_pointed_to_the_champion_in_the_models_region(
    imports: Imports, models_folder: Path
) -> None:
    file = models_folder / "model.yaml"
    file.write_text(file.read_text() + "publish: {publishers: []}\n")
    imports.approve("first", "second")
    roll_back(imports)
    dag = rolling_back.build_roll_back_dag()
    task: Any = dag.get_task("publish_champion")
    task.python_callable(params={"model_name": imports.group}, dag=dag, run_id="one")
    pointer = read_pointer(imports.clients.ssm, imports.group)
    assert pointer
    assert (pointer.version, pointer.imported_model_arn) == (1, imports.arns["first"])
    assert pointer.request == "roll_back_model/one"


def test_a_roll_back_does_not_guess_the_region_of_a_model_with_a_broken_file(
    imports: Imports, models_folder: Path
) -> None:
    (models_folder / "model.yaml").write_text(f"model_name: {imports.group}\nbase: [\n")
    with pytest.raises(BrokenModelFilesError):
        roll_back(imports)


def test_the_page_reads_the_model_where_its_file_imports(imports: Imports, models_folder: Path) -> None:
    def connect(own: AccountConfig | None) -> AwsClients:
        region = own.region_name if own and own.region_name else VARIABLES_REGION
        return AwsClients(lambda service: imports.aws.client(service, region))

    imports.approve("first", "second")
    reader = OverviewReader(connect, models_folder)
    account = reader.account().value
    assert account.region_name == VARIABLES_REGION
    assert account.imported_per_model[imports.group] == 2
    champion = reader.row(imports.group).value.champion
    assert champion is not None
    assert champion.number == 2
    assert [verdict.model.arn for verdict in reader.plan().value.retire] == [imports.arns["first"]]


def test_a_connection_that_fails_takes_only_its_own_model_from_the_page(imports: Imports, models_folder: Path) -> None:
    def connect(own: AccountConfig | None) -> AwsClients:
        if own:
            raise ConnectionError
        return AwsClients(imports.aws.client)

    imports.approve("first")
    reader = OverviewReader(connect, models_folder)
    assert imports.names("first").imported_model_name in reader.account().value.occupancy.imported
    assert reader.plan().value.keep
    with pytest.raises(ConnectionError):
        reader.row(imports.group)
