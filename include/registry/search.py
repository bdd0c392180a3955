"""Read many versions in few calls, for display: one call of SageMaker's Search returns 100 versions in full.

Search may lag behind the registry for a moment, so decisions are taken on what List and Describe answer
(``include/registry/sagemaker.py``). See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Search.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.registry.groups import is_own
from include.registry.versions import ModelVersion, champion_of

PAGE_SIZE = 100


def registered_groups(sagemaker: Any) -> tuple[str, ...]:
    """Return the names of the groups that this project made, in alphabetical order; one call per hundred."""
    pages = sagemaker.get_paginator("list_model_package_groups").paginate(PaginationConfig={"PageSize": PAGE_SIZE})
    summaries = [summary for page in pages for summary in page["ModelPackageGroupSummaryList"]]
    return tuple(sorted(summary["ModelPackageGroupName"] for summary in summaries if is_own(summary)))


def newest_versions(sagemaker: Any, group: str, most: int, status: str | None = None) -> tuple[ModelVersion, ...]:
    """Return up to ``most`` versions of a group with everything recorded of them, newest first; 100 per call."""
    filters = [{"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": group}]
    filters += [{"Name": "ModelApprovalStatus", "Operator": "Equals", "Value": status}] if status else []
    pages = sagemaker.get_paginator("search").paginate(
        Resource="ModelPackage",
        SearchExpression={"Filters": filters},
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"PageSize": min(most, PAGE_SIZE), "MaxItems": most},
    )
    found = [_version(result["ModelPackage"]) for page in pages for result in page["Results"]]
    return tuple(sorted(found, key=lambda version: version.number, reverse=True))


def champion_among(sagemaker: Any, group: str, newest: tuple[ModelVersion, ...]) -> ModelVersion | None:
    """Return the group's champion: among its newest versions, or else with one call more."""
    known = champion_of(newest)
    if known or not newest or newest[-1].number == 1:
        return known
    return champion_of(newest_versions(sagemaker, group, PAGE_SIZE, "Approved"))


def _version(package: Mapping[str, Any]) -> ModelVersion:
    return ModelVersion(
        arn=package["ModelPackageArn"],
        number=package["ModelPackageVersion"],
        status=package["ModelApprovalStatus"],
        created_at=package["CreationTime"],
        metadata=package.get("CustomerMetadataProperties", {}),
        reason=package.get("ApprovalDescription", ""),
    )
