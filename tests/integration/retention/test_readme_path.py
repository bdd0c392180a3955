"""The path that the README shows, one adapter after the other, task by task: it never ends in a full account."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG

from include.aws.imported_models import list_models
from include.config.model import ModelConfig, parse_model_config
from include.preflight.quota_checks import check_quotas
from include.registry.versions import ApprovalStatus
from include.run.ownership import ModelOwnedByOtherDagError
from include.run.plan import ImportPlan
from include.steps.results import ImportResult, RegistrationResult
from model_import_dag import clients
from model_import_dag.factory import build_import_dag
from tests.integration.retention.conftest import Imports
from tests.support.bedrock_stand_in import BUCKET, CREDENTIALS, REGION

CONNECTION = "aws_readme"

#: Nothing reads what the evaluation returned.
_NOT_MEASURED = SimpleNamespace(model_dump=lambda mode: {})


class Runs:
    """Runs of a model's DAG: the tasks that have to do with slots are Airflow's own, the import is made directly."""

    def __init__(self, imports: Imports, workspace: Path) -> None:
        self.imports, self.workspace = imports, workspace
        values = {
            "model_name": imports.group,
            "base": "base",
            "evaluation": {"dataset": "questions.jsonl", "prompt_template": "{question}"},
        }
        self.config: ModelConfig = parse_model_config(values, "the test")
        self.dag: DAG = build_import_dag("import_readme", self.config)

    def plan(self, label: str) -> ImportPlan:
        names = self.imports.names(label)
        return ImportPlan(
            config=self.config, content=names.fingerprint, fingerprint=names.fingerprint, region_name=REGION,
            aws_conn_id=CONNECTION, role_arn=self.imports.aws.role_arn, bucket=BUCKET,
            imported_model_name=names.imported_model_name, job_name=names.job_name,
            client_request_token=names.client_request_token, s3_uri=names.s3_uri, manifest_key=names.manifest_key,
            evaluation_prefix=names.evaluation_prefix, delivered=False, checkpoint_bytes=1,
            workspace=str(self.workspace), tags={},
        )  # fmt: skip

    def run(self, label: str, status: ApprovalStatus) -> None:
        plan = self.plan(label)
        found = check_quotas(clients.aws_clients(CONNECTION, REGION), self.config, plan.imported_model_name)
        assert [finding.text() for finding in found if finding.severity == "error"] == []
        left: dict[str, Any] = {"preflight": plan.model_dump(mode="json")}
        self._task("free_model_slot", label, left)
        if label not in self.imports.left():
            self.imports.add(label)
        arn = self.imports.arns[label]
        left["wait_for_import"] = ImportResult(
            imported_model_arn=arn, imported_model_name=plan.imported_model_name, job_arn="not asked for"
        ).model_dump(mode="json")
        self._task("evaluate_model", label, left)
        self.imports.register(label, status)
        left["register_version"] = RegistrationResult(
            version=1, arn="not asked for", status=status, imported_model_arn=arn, champion=None, promoted=False,
            cost="", report_uri="",
        ).model_dump(mode="json")  # fmt: skip
        self._task("retire_old_versions", label, left)

    def _task(self, task_id: str, label: str, left: dict[str, Any]) -> None:
        ti = SimpleNamespace(xcom_pull=lambda task_ids: left.get(task_ids))
        task: Any = self.dag.get_task(task_id)
        with suppress(AirflowSkipException):
            task.python_callable(ti=ti, dag=self.dag, run_id=f"manual__{label}")


@pytest.fixture
def runs(imports: Imports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    login, password = CREDENTIALS.values()
    extra = {"region_name": REGION, "endpoint_url": imports.aws.endpoint}
    connection = {"conn_type": "aws", "login": login, "password": password, "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(connection))
    monkeypatch.setattr("include.steps.evaluate.measure_suites", lambda *_: _NOT_MEASURED)
    # Most of a task's time goes into its clients.
    monkeypatch.setattr(clients, "service_client", cache(clients.service_client))
    uri = imports.aws.upload(imports.checkpoint, "by-hand")
    imports.aws.import_model(uri, f"{imports.group}-by-hand")  # leaves the three slots of an AWS account
    return Runs(imports, tmp_path)


def test_finished_early_forgetful_and_one_more_run_never_end_in_a_full_account(runs: Runs) -> None:
    runs.run("finished", "Approved")
    for adapter in ("early", "forgetful", "forgetful"):  # the same content once more needs no slot
        runs.run(adapter, "Rejected")
    assert runs.imports.left() == {"finished", "early", "forgetful"}
    runs.run("one more", "Rejected")
    assert runs.imports.left() == {"finished", "forgetful", "one more"}


def test_a_run_holds_the_model_that_it_evaluates_until_its_end(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look(*_: object) -> SimpleNamespace:
        [model] = list_models(runs.imports.clients.bedrock, runs.imports.group)
        use = model.use(datetime.now(UTC))
        seen.extend([use.run] if use else [])
        return _NOT_MEASURED

    monkeypatch.setattr("include.steps.evaluate.measure_suites", look)
    runs.run("finished", "Approved")
    [model] = list_models(runs.imports.clients.bedrock, runs.imports.group)
    assert (seen, model.use(datetime.now(UTC))) == (["import_readme/manual__finished"], None)


def test_neither_a_slot_nor_an_old_version_of_another_dags_model_is_taken(runs: Runs) -> None:
    runs.imports.clients.sagemaker.create_model_package_group(
        ModelPackageGroupName=runs.imports.group,
        ModelPackageGroupDescription=f"Imported Bedrock models {runs.imports.group}; owned by DAG import_another",
    )
    with pytest.raises(ModelOwnedByOtherDagError, match="import_another"):
        runs.run("finished", "Approved")
    assert runs.imports.left() == set()
