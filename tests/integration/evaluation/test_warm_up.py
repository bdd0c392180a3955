"""A run with nothing to do wakes no cold model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException

from bedrock_import.sensors import BedrockImportedModelReadySensor
from include.aws.clients import AwsClients
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import Candidate
from include.run.plan import ImportPlan
from include.steps.evaluate import measure
from model_import_dag import warm_up
from model_import_dag.factory import build_import_dag


def register(clients: AwsClients, plan: ImportPlan, model: str) -> None:
    candidate = Candidate(
        group=plan.config.model_name, description="", fingerprint=plan.fingerprint, imported_model_arn=model,
        scores={"f1": 0.5}, dataset_digest="d", report_uri="s3://b/r.json", status="Approved", provenance={},
    )  # fmt: skip
    SageMakerRegistry(clients.sagemaker).register(candidate)


def test_the_model_of_a_registered_and_measured_version_is_not_warmed_up(
    model: str, clients: AwsClients, plan_for: Callable[..., ImportPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_for(sample=5)
    monkeypatch.setattr(warm_up, "plan_of", lambda _: plan)
    monkeypatch.setattr(warm_up, "clients_of", lambda _: clients)
    monkeypatch.setattr(BedrockImportedModelReadySensor, "execute", lambda *_: "woken")
    task: Any = build_import_dag("import_any", None).get_task("warm_up")
    task.imported_model_arn = model
    assert task.execute({}) == "woken"
    measure(plan, model, clients)
    assert task.execute({}) == "woken"  # its version would not say how the model answers
    register(clients, plan, model)
    with pytest.raises(AirflowSkipException, match="version 1 is registered and its answers are there"):
        task.execute({})
