"""Note on an imported model that applications are pointed to it, so that retention leaves it alone.

The note is a tag, which every Airflow of the account sees; retention reads the tags of a model again right before it
deletes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from include.aws.model_use import write_tag

#: Holds until when applications may still call the model, in ISO 8601; ``POINTED_TO`` while they are pointed to it.
PUBLISHED_TAG = "published"
POINTED_TO = "now"


def why_published(tags: Mapping[str, str], now: datetime) -> str:
    """Return why a model with these tags may be called by applications; empty if it may not be."""
    value = tags.get(PUBLISHED_TAG, "")
    if value == POINTED_TO:
        return "applications are pointed to it"
    try:
        until = datetime.fromisoformat(value).astimezone(UTC)
    except ValueError:  # no note, or one in another form
        return ""
    return f"applications may call it until {until:%Y-%m-%d %H:%M} UTC" if now < until else ""


def begin_publication(bedrock: Any, imported_model_arn: str) -> None:
    """Note that applications are pointed to this model."""
    write_tag(bedrock, imported_model_arn, PUBLISHED_TAG, POINTED_TO)


def end_publication(bedrock: Any, imported_model_arn: str, until: datetime) -> None:
    """Note that applications are pointed to another model, and until when they may call this one; timezone-aware."""
    write_tag(bedrock, imported_model_arn, PUBLISHED_TAG, until.astimezone(UTC).isoformat(timespec="seconds"))
