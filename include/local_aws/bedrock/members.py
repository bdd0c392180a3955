"""Members that the requests and answers of several operations have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from include.local_aws.bedrock.errors import TooManyTagsError
from include.local_aws.bedrock.service_rules import service_rules

Params = Mapping[str, Any]
Answer = dict[str, Any]


def tags_in(params: Params, field: str) -> dict[str, str]:
    """Return the tags of a request as a mapping."""
    return {tag["key"]: tag["value"] for tag in params.get(field, [])}


def check_tag_count(tags: Mapping[str, str], owner: str) -> None:
    """Raises TooManyTagsError for more tags than a resource may have."""
    limit = service_rules().max_tags
    if len(tags) > limit:
        raise TooManyTagsError(f"{owner} would have {len(tags)} tags; the limit is {limit}.")


def present(fields: Answer) -> Answer:
    """Return the members that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def iso(moment: datetime) -> str:
    """Return a time as answers show it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
