"""Note on an imported model that a run is evaluating it, so that no other run deletes it meanwhile.

The note is a tag, since every worker and every Airflow of the account sees it. A run that dies leaves its note behind,
so a note is believed for a day.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from include.aws.calls import find, find_imported_model, is_gone, request
from include.aws.tags import tag_value

log = logging.getLogger(__name__)

#: Holds since when, in ISO 8601, and the run; empty when the run has done with the model.
USE_TAG = "evaluated_by"
LONGEST_USE = timedelta(days=1)
_MAX_RUN_LENGTH = 200


class Use(NamedTuple):
    """Which run evaluates a model, and since when."""

    run: str
    since: datetime


def read_tags(bedrock: Any, arn: str) -> dict[str, str] | None:
    """Return the tags of an imported model, or None if there is no such model."""
    answer = find(bedrock, "list_tags_for_resource", resourceARN=arn)
    return None if answer is None else {tag["key"]: tag["value"] for tag in answer.get("tags", [])}


def use_in(tags: Mapping[str, str], now: datetime) -> Use | None:
    """Return the use that a model's tags record, unless it is over or older than a day."""
    since, _, run = tags.get(USE_TAG, "").partition(" ")
    try:
        use = Use(run, datetime.fromisoformat(since).astimezone(UTC))
    except ValueError:  # no note, or one in another form
        return None
    return use if now - use.since < LONGEST_USE else None


def begin_use(bedrock: Any, imported_model: str, run: str, now: datetime) -> None:
    """Note that a run evaluates this model from now on; where it is not imported yet there is nothing to note.

    Args:
        bedrock: a Bedrock client.
        imported_model: the model's name or ARN.
        run: names the DAG run.
        now: timezone-aware.
    """
    if found := find_imported_model(bedrock, imported_model):
        since = now.astimezone(UTC).isoformat(timespec="seconds")
        write_tag(bedrock, found["modelArn"], USE_TAG, f"{since} {_run_name(run)}")


def end_use(bedrock: Any, imported_model: str, run: str, now: datetime) -> None:
    """Take back the note of this run; one that another run has written since stays."""
    found = find_imported_model(bedrock, imported_model)
    use = use_in(read_tags(bedrock, found["modelArn"]) or {}, now) if found else None
    if found and use and use.run == _run_name(run):
        write_tag(bedrock, found["modelArn"], USE_TAG, "")


def _run_name(run: str) -> str:
    return tag_value(run)[:_MAX_RUN_LENGTH]


def write_tag(bedrock: Any, arn: str, key: str, value: str) -> None:
    """Write a tag of an imported model; where the model was deleted meanwhile there is nothing to write."""
    from botocore.exceptions import ClientError

    try:
        request(bedrock, "tag_resource", resourceARN=arn, tags=[{"key": key, "value": value}])
    except ClientError as error:
        if not is_gone(bedrock, arn, error):
            raise
        log.warning("%s was deleted at this moment", arn)
