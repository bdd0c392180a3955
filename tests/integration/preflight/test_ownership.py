"""Whose model it is: the DAG that registered it first, or the model's own."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.config.names import FORM_DAG_ID, import_dag_id
from include.preflight.findings import PreflightFailedError
from include.registry.sagemaker import SageMakerRegistry
from include.registry.search import registered_groups
from include.registry.versions import Candidate
from include.run.ownership import GroupOfOthersError, ModelOwnedByOtherDagError, check_owner
from include.steps.plan_run import make_plan
from model_import_dag import promotion_tasks
from model_import_dag.factory import build_import_dag
from tests.support.account import Account
from tests.support.plans import import_plan

_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    """The name of a model that no other test has."""
    return f"owned-{next(_numbers)}"


def register(sagemaker: Any, name: str, **provenance: str) -> None:
    candidate = Candidate(
        group=name, description="", fingerprint="a" * 64, imported_model_arn="arn", scores={}, dataset_digest="",
        report_uri="s3://bucket/report.json", status="Approved", provenance=provenance,
    )  # fmt: skip
    SageMakerRegistry(sagemaker).register(candidate)


def refused(sagemaker: Any, name: str, dag_id: str) -> bool:
    try:
        check_owner(sagemaker, name, dag_id)
    except ModelOwnedByOtherDagError:
        return True
    return False


def test_a_model_belongs_to_the_dag_that_registered_it_first(account: Account, name: str) -> None:
    sagemaker, own = account.admin("sagemaker"), import_dag_id(name)
    assert not refused(sagemaker, name, FORM_DAG_ID)
    register(sagemaker, name, dag_id=own)
    assert name in registered_groups(sagemaker)
    assert not refused(sagemaker, name, own)
    assert refused(sagemaker, name, FORM_DAG_ID)
    assert refused(sagemaker, name, "import_another")


def test_the_models_own_dag_takes_over_what_was_first_imported_with_the_form(account: Account, name: str) -> None:
    sagemaker = account.admin("sagemaker")
    register(sagemaker, name, dag_id=FORM_DAG_ID)
    assert not refused(sagemaker, name, FORM_DAG_ID)
    assert not refused(sagemaker, name, import_dag_id(name))
    assert refused(sagemaker, name, "import_another")


def test_a_group_that_names_no_owner_is_anyones(account: Account, name: str) -> None:
    register(account.admin("sagemaker"), name)
    assert not refused(account.admin("sagemaker"), name, "import_another")


def test_the_form_registers_nothing_in_a_group_of_other_software(account: Account, name: str) -> None:
    sagemaker = account.admin("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription="credit scores")
    with pytest.raises(GroupOfOthersError, match=name):
        check_owner(sagemaker, name, FORM_DAG_ID)
    assert not refused(sagemaker, name, import_dag_id(name))


def test_a_group_whose_name_only_contains_the_models_says_nothing_of_the_model(account: Account, name: str) -> None:
    register(account.admin("sagemaker"), f"{name}-secret", dag_id="import_another")
    assert not refused(account.admin("sagemaker"), name, FORM_DAG_ID)


def test_preflight_refuses_a_run_of_another_dag_with_everything_else_that_is_wrong(account: Account, name: str) -> None:
    register(account.admin("sagemaker"), name, dag_id=import_dag_id(name))
    account.values |= {"model_name": name, "adapter": "nowhere"}
    tags = {"dag_id": FORM_DAG_ID, "dag_run_id": "one"}
    with pytest.raises(PreflightFailedError) as failed:
        make_plan(account.config, account.clients(), str(account.workspace), tags)
    assert {finding.check for finding in failed.value.findings} >= {"owner", "adapter"}
    assert f"expected a run of {import_dag_id(name)}" in str(failed.value)


@pytest.mark.parametrize("task_id", ["register_version", "record_answer"])
def test_no_task_writes_versions_of_a_model_that_another_dag_owns(
    task_id: str, account: Account, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(account.admin("sagemaker"), name, dag_id=import_dag_id(name))
    model = {"model_name": name, "base": "base", "evaluation": {"dataset": "questions.jsonl"}}
    plan = import_plan(model, "b" * 64, f"bucket/models/{name}/b", tmp_path)
    left = {"preflight": plan.model_dump(mode="json")}
    monkeypatch.setattr(promotion_tasks, "clients_of", lambda _: account.clients())
    monkeypatch.setattr(promotion_tasks, "link_to_registry", lambda *_: None)
    dag = build_import_dag(FORM_DAG_ID, None)
    task: Any = dag.get_task(task_id)
    with pytest.raises(ModelOwnedByOtherDagError, match=import_dag_id(name)):
        task.python_callable(ti=SimpleNamespace(xcom_pull=lambda task_ids: left.get(task_ids)), dag=dag, run_id="one")
