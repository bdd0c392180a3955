"""Decides whether IAM policy documents allow an action.

moto's own engine knows only StringEquals and takes a condition that does not hold for a denial, so a role with
`s3:prefix` or `ArnLike` conditions would pass or fail for the wrong reason. Source of the rules: "Policy evaluation
logic" and "IAM JSON policy elements" in the IAM User Guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Policy = Mapping[str, Any]

#: What wildcards of a policy, escaped for a regular expression, mean in one.
WILDCARD_MEANINGS = {r"\$\{\*\}": r"\*", r"\$\{\?\}": r"\?", r"\*": ".*", r"\?": "."}
WILDCARDS = re.compile("|".join(map(re.escape, WILDCARD_MEANINGS)))


class UnsupportedConditionError(Exception):
    """A policy uses a condition operator that the stand-in cannot evaluate; guessing would prove nothing."""

    def __init__(self, operator: str) -> None:
        super().__init__(operator)
        self.operator = operator

    def __str__(self) -> str:
        return f"the stand-in for AWS does not evaluate the condition operator {self.operator}"


@dataclass(frozen=True)
class AccessRequest:
    """Who wants to do what to which resource, and the condition keys of the moment.

    `resource` is None in a trust policy, which has none; `principals` are the names a Principal element may use.
    """

    action: str
    resource: str | None = None
    principals: tuple[str, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)


def is_allowed(policies: Iterable[str | Policy], request: AccessRequest) -> bool:
    """Return whether some statement allows the request and none denies it."""
    effects = _effects(policies, request)
    return "Deny" not in effects and "Allow" in effects


def is_denied(policies: Iterable[str | Policy], request: AccessRequest) -> bool:
    """Return whether some statement denies the request explicitly."""
    return "Deny" in _effects(policies, request)


def _effects(policies: Iterable[str | Policy], request: AccessRequest) -> set[str]:
    statements = (statement for policy in policies for statement in _statements(policy))
    return {str(statement["Effect"]) for statement in statements if _applies(statement, request)}


def _statements(policy: str | Policy) -> list[Policy]:
    document = json.loads(policy) if isinstance(policy, str) else policy
    return _as_list(document.get("Statement", []))


def _applies(statement: Policy, request: AccessRequest) -> bool:
    return (
        _element_matches(statement, "Action", (request.action,), ignore_case=True)
        and _principal_matches(statement, request)
        and (request.resource is None or _element_matches(statement, "Resource", (request.resource,)))
        and _conditions_hold(statement.get("Condition", {}), request.context)
    )


def _element_matches(statement: Policy, element: str, values: tuple[str, ...], ignore_case: bool = False) -> bool:
    if f"Not{element}" in statement:
        return not _any_like(statement[f"Not{element}"], values, ignore_case)
    return _any_like(statement.get(element, []), values, ignore_case)


def _principal_matches(statement: Policy, request: AccessRequest) -> bool:
    """True for a policy attached to an identity: it has no Principal element."""
    for element in ("Principal", "NotPrincipal"):
        if element in statement:
            named = statement[element]
            names = [named] if isinstance(named, str) else [n for group in named.values() for n in _as_list(group)]
            return ("*" in names or any(p in names for p in request.principals)) == (element == "Principal")
    return True


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    keys = {key.lower(): value for key, value in context.items()}
    return all(
        _condition_holds(operator, _as_list(expected), keys.get(key.lower()))
        for operator, pairs in conditions.items()
        for key, expected in pairs.items()
    )


def _condition_holds(operator: str, expected: list[Any], actual: str | None) -> bool:
    if operator == "Null":
        return all((actual is None) == (str(value).lower() == "true") for value in expected)
    name = operator.removesuffix("IfExists")
    negated = "Not" in name
    test = OPERATORS.get(name.replace("Not", ""))
    if test is None:
        raise UnsupportedConditionError(operator)
    if actual is None:
        return negated or name != operator
    return any(test(_text(value), actual) for value in expected) != negated


def _equal(expected: str, actual: str) -> bool:
    return expected == actual


def _equal_ignoring_case(expected: str, actual: str) -> bool:
    return expected.lower() == actual.lower()


def _like(pattern: str, value: str) -> bool:
    """``*`` and ``?`` stand for any characters, ``${*}`` and ``${?}`` for themselves."""
    expression = WILDCARDS.sub(lambda found: WILDCARD_MEANINGS[found[0]], re.escape(pattern))
    return re.fullmatch(expression, value, re.DOTALL) is not None


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _equal_ignoring_case,
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": _equal_ignoring_case,
}


def _any_like(patterns: Any, values: tuple[str, ...], ignore_case: bool) -> bool:
    fold = str.lower if ignore_case else str
    return any(_like(fold(str(pattern)), fold(value)) for pattern in _as_list(patterns) for value in values)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
