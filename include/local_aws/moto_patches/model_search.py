"""SageMaker's Search over model packages: filters by equality, order and pages, which moto's lacks."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from botocore import xform_name
from moto.sagemaker.exceptions import ValidationError

DEFAULT_PAGE = 10
OPERATORS = {"Equals": True, "NotEquals": False}


def search_packages(packages: Iterable[Any], params: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the packages on the page that is asked for, and the rest of Search's answer.

    Raises ValidationError for an expression that is not emulated, and for a NextToken that is none.
    """
    wanted = _filters(params.get("SearchExpression", {}))
    found = [package for package in packages if all(_holds(package, *each) for each in wanted)]
    key = params.get("SortBy", "LastModifiedTime")
    found.sort(key=lambda package: _order(package, key), reverse=params.get("SortOrder", "Descending") == "Descending")
    start = _start(params.get("NextToken"))
    end = start + params.get("MaxResults", DEFAULT_PAGE)
    answer: dict[str, Any] = {"TotalHits": {"Value": len(found), "Relation": "EqualTo"}}
    answer |= {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(found) else {}
    return found[start:end], answer


def _filters(expression: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    other = expression.keys() - {"Filters", "Operator"}
    operators = {given.get("Operator", "Equals") for given in expression.get("Filters", ())}
    if other or operators - OPERATORS.keys() or expression.get("Operator", "And") != "And":
        raise ValidationError(f"The stand-in searches with Equals and NotEquals joined by And only: {dict(expression)}")
    return [
        (xform_name(given["Name"]), given.get("Value", ""), OPERATORS[given.get("Operator", "Equals")])
        for given in expression.get("Filters", ())
    ]


def _holds(package: Any, name: str, value: str, equal: bool) -> bool:
    return (str(getattr(package, name, "")) == value) is equal


def _order(package: Any, key: str) -> tuple[Any, int]:
    return getattr(package, xform_name(key), None) or package.creation_time, package.model_package_version or 0


def _start(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.b64decode(token.encode()))
    except ValueError:
        raise ValidationError("The NextToken is not one that Search gave out") from None
