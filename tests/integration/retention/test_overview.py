"""What the page of imported models reads, against the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.aws.clients import AwsClients
from include.overview.account import read_account
from include.overview.outlook import outlook, read_plan
from include.retention.policies import read_policies
from tests.integration.retention.conftest import QUOTA, Imports


@pytest.fixture
def clients(imports: Imports) -> AwsClients:
    return imports.clients


@pytest.fixture
def models_folder(tmp_path: Path, imports: Imports) -> Path:
    """A folder with a model's file, and a broken one."""
    text = f"model_name: {imports.group}\nbase: a\nevaluation: {{dataset: b}}\nretention: {{keep: 1}}\n"
    (tmp_path / "model.yaml").write_text(text)
    return tmp_path


def test_the_account_is_told_in_a_handful_of_calls(imports: Imports, clients: AwsClients, models_folder: Path) -> None:
    (models_folder / "broken.yaml").write_text("model_name: [")
    imports.add("first", "second")
    imports.register("first", "Approved")
    calls: list[str] = []
    for client in (clients.bedrock, clients.sagemaker, clients.service_quotas):
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    account = read_account(clients, models_folder)
    assert len(calls) == 5
    assert imports.group in account.model_names
    assert list(account.configs) == [imports.group]
    assert (account.occupancy.quota, account.imported_per_model[imports.group]) == (QUOTA, 2)
    assert [job.name for job in account.jobs[:2]] == [imports.names(name).job_name for name in ("second", "first")]
    assert {job.model_name for job in account.jobs[:2]} == {imports.group}
    assert account.endpoint == imports.aws.endpoint.removeprefix("http://")


def test_the_outlook_is_what_the_retirement_dag_would_do(
    imports: Imports, clients: AwsClients, models_folder: Path
) -> None:
    imports.add("first", "second", "third")
    imports.register("first", "Approved")
    imports.register("second", "Rejected")
    imports.register("third", "PendingManualApproval")
    plan = read_plan(clients, read_policies(models_folder), imports.now)
    (model,) = outlook(plan, lambda name: name == imports.group)
    told = {version.verdict.model.name: version.goes for version in model.versions}
    assert told == {
        imports.names("third").imported_model_name: False,
        imports.names("second").imported_model_name: True,
        imports.names("first").imported_model_name: False,
    }
    assert model.going == 1
    assert model.cost == "5.85 USD storage a month for 3 models"
    assert outlook(plan, lambda _: False) == ()
