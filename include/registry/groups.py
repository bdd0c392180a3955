"""A registry group, and the DAG that owns it, which the group's description names.

The registry has no call that changes a group's description, and ListModelPackageGroups, which every run may call
already, returns it.
"""

from __future__ import annotations

from typing import Any

_MARK = "; owned by DAG "


def find_group(sagemaker: Any, group: str) -> dict[str, Any] | None:
    """Return ListModelPackageGroups' summary of the group, or None if there is no such group."""
    pages = sagemaker.get_paginator("list_model_package_groups").paginate(NameContains=group)
    groups = (summary for page in pages for summary in page["ModelPackageGroupSummaryList"])
    return next((summary for summary in groups if summary["ModelPackageGroupName"] == group), None)


def owner_mark(dag_id: str) -> str:
    """Return how a group's description ends when this DAG owns the group; nothing without a DAG."""
    return f"{_MARK}{dag_id}" if dag_id else ""


def group_owner(sagemaker: Any, group: str) -> str:
    """Return the id of the DAG that owns the group; empty when there is no such group, or it names none."""
    found = find_group(sagemaker, group) or {}
    return str(found.get("ModelPackageGroupDescription", "")).partition(_MARK)[2]
