from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.aws.calls import ATTEMPTS
from include.aws.clients import AwsClients
from include.aws.imported_models import list_models
from include.config.model import RetentionConfig
from include.retention.retiring import retire, versions_of
from include.retention.selection import RetentionPolicies, plan_retirement

MODELS, GROUPS = 300, 3
NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Throttled:
    """Refuses every ``nth`` request."""

    def __init__(self, nth: int) -> None:
        self.nth, self.calls = nth, 0

    def count(self, operation: str) -> None:
        self.calls += 1
        if self.calls % self.nth == 0:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Slow down."}}, operation)


class Bedrock(Throttled):
    """300 imported models of three groups, listed a hundred a page, of which every seventh request is refused."""

    class meta:
        region_name = "us-east-1"

    def __init__(self) -> None:
        super().__init__(nth=7)
        self.models = [f"g{number % GROUPS}-{number}" for number in range(MODELS)]

    def list_imported_models(self, maxResults: int, nextToken: str = "0", **_: Any) -> dict[str, Any]:
        self.count("ListImportedModels")
        first = int(nextToken)
        page = self.models[first : first + maxResults]
        summaries = [{"modelArn": name, "modelName": name, "creationTime": self._age(name)} for name in page]
        more = {"nextToken": str(first + maxResults)} if first + maxResults < len(self.models) else {}
        return {"modelSummaries": summaries, **more}

    def list_tags_for_resource(self, resourceARN: str) -> dict[str, Any]:
        self.count("ListTagsForResource")
        tags = {"model_name": resourceARN.partition("-")[0], "fingerprint": resourceARN}
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def get_imported_model(self, modelIdentifier: str) -> dict[str, Any]:
        self.count("GetImportedModel")
        return {"customModelUnits": {"customModelUnitsPerModelCopy": 2, "customModelUnitsVersion": "v1.0"}}

    def delete_imported_model(self, modelIdentifier: str) -> dict[str, Any]:
        self.count("DeleteImportedModel")
        self.models.remove(modelIdentifier)
        return {}

    def _age(self, name: str) -> datetime:
        return NOW - timedelta(days=int(name.partition("-")[2]))


class NoVersions:
    """A model registry in which nothing is registered."""

    def get_paginator(self, _: str) -> NoVersions:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"ModelPackageGroupSummaryList": []}]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


def test_hundreds_of_models_are_listed_judged_and_retired_under_throttling() -> None:
    bedrock = Bedrock()
    clients = AwsClients({"bedrock": bedrock, "sagemaker": NoVersions()}.__getitem__)
    models = list_models(bedrock)
    assert len(models) == MODELS
    policies = RetentionPolicies(RetentionConfig(keep=4, younger_than_days=30))
    plan = plan_retirement(models, versions_of(models, clients.sagemaker), policies, NOW)
    assert len(plan.keep) == 30
    report = retire(plan, clients, NOW)
    assert len(report.retired) == MODELS - 30
    assert sorted(bedrock.models) == sorted(verdict.model.name for verdict in plan.keep)
    assert report.saving == "1053.00 USD storage a month for 270 models"


def test_a_throttle_that_does_not_pass_ends_as_an_error() -> None:
    bedrock = Bedrock()
    bedrock.nth = 1
    with pytest.raises(ClientError, match="ThrottlingException"):
        list_models(bedrock)
    assert bedrock.calls == ATTEMPTS
