"""A registry group, and the DAG that owns it, which the group's description names.

The registry has no call that changes a group's description, and ListModelPackageGroups, which every run may call
already, returns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The description of a group that this project makes.
GROUP_DESCRIPTION = "Imported Bedrock models {}"
_MARK = "; owned by DAG "


def find_group(sagemaker: Any, group: str) -> dict[str, Any] | None:
    """Return ListModelPackageGroups' summary of the group, or None if there is no such group."""
    pages = sagemaker.get_paginator("list_model_package_groups").paginate(NameContains=group)
    groups = (summary for page in pages for summary in page["ModelPackageGroupSummaryList"])
    return next((summary for summary in groups if summary["ModelPackageGroupName"] == group), None)


def owner_mark(dag_id: str) -> str:
    """Return how a group's description ends when this DAG owns the group; nothing without a DAG."""
    return f"{_MARK}{dag_id}" if dag_id else ""


def is_own(summary: Mapping[str, Any]) -> bool:
    """Return whether this project made the group, of which this is ListModelPackageGroups' summary."""
    return str(summary.get("ModelPackageGroupDescription", "")).startswith(GROUP_DESCRIPTION.format(""))


def owner_of(summary: Mapping[str, Any]) -> str:
    """Return the id of the DAG that owns the group; empty when its description names none."""
    return str(summary.get("ModelPackageGroupDescription", "")).partition(_MARK)[2]
