"""The imported models of an account and region, with the facts that retention needs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from include.aws.calls import find_imported_model, request
from include.aws.model_use import Use, read_tags, use_in
from include.service.pricing import ModelCost, model_cost

log = logging.getLogger(__name__)

PAGE_SIZE = 100
KEEP_TAG = "keep"
#: An imported model with both tags was imported by this project.
OWN_TAGS = frozenset({"model_name", "fingerprint"})


class ImportedModel(BaseModel):
    """One imported model. ``s3_uri`` is where it was imported from; it and the cost are known of our own models."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    arn: str
    name: str
    created_at: datetime
    tags: dict[str, str]
    s3_uri: str = ""
    cost: ModelCost

    @property
    def is_ours(self) -> bool:
        """Return whether this project imported it."""
        return self.tags.keys() >= OWN_TAGS

    @property
    def group(self) -> str:
        """The model of which it is a version: the name in dags/models/ and in the registry."""
        return self.tags.get("model_name", "")

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its content."""
        return self.tags.get("fingerprint", "")

    def use(self, now: datetime) -> Use | None:
        """Return the run that is evaluating it, if there is one."""
        return use_in(self.tags, now)


def model_summaries(bedrock: Any, name_contains: str | None) -> Iterator[dict[str, Any]]:
    """Yield ListImportedModels' summaries, newest first, a hundred per request."""
    arguments: dict[str, Any] = {"maxResults": PAGE_SIZE, "sortBy": "CreationTime", "sortOrder": "Descending"}
    if name_contains:
        arguments["nameContains"] = name_contains
    while True:
        page = request(bedrock, "list_imported_models", **arguments)
        yield from page.get("modelSummaries", [])
        if not page.get("nextToken"):
            return
        arguments["nextToken"] = page["nextToken"]


def imported_model_names(bedrock: Any) -> list[str]:
    """Return the names of all imported models of the account and region."""
    return [summary["modelName"] for summary in model_summaries(bedrock, None)]


def list_models(bedrock: Any, group: str | None = None) -> tuple[ImportedModel, ...]:
    """Return the imported models, newest first; with ``group`` those that this project imported for it.

    Costs one request per hundred models, one per model, and one more per own model. Models deleted meanwhile
    are left out.
    """
    models = (_read(bedrock, summary) for summary in model_summaries(bedrock, f"{group}-" if group else None))
    return tuple(
        model for model in models if model is not None and (group is None or (model.is_ours and model.group == group))
    )


def _read(bedrock: Any, summary: dict[str, Any]) -> ImportedModel | None:
    arn, region_name = summary["modelArn"], str(bedrock.meta.region_name)
    tags = read_tags(bedrock, arn)
    if tags is None:
        log.info("%s is gone meanwhile", summary["modelName"])
        return None
    known = find_imported_model(bedrock, arn) if tags.keys() >= OWN_TAGS else None
    details = known or {}
    return ImportedModel(
        arn=arn,
        name=summary["modelName"],
        created_at=summary["creationTime"],
        tags=tags,
        s3_uri=details.get("modelDataSource", {}).get("s3DataSource", {}).get("s3Uri", ""),
        cost=model_cost(details.get("customModelUnits"), region_name),
    )
