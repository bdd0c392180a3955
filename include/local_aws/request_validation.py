"""Checks request parameters against botocore's own service model.

botocore checks required members, types and minimal lengths before it sends a request; the service also checks maximal
lengths, patterns and enums. Here all of them are checked, with the wording AWS uses in its validation errors.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import regex
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

Violations = Iterator[str]

PATTERN_SECONDS = 1.0
#: Values of enums that AWS's own samples send although the service model does not list them:
#: https://github.com/aws-samples/amazon-bedrock-samples, evaluation-observe/bedrock-eval-bring-your-own-inference
#: ("must be General for LLMaaJ").
UNLISTED_VALUES: Mapping[str, frozenset[str]] = {"EvaluationTaskType": frozenset({"General"})}
TYPES: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list, tuple),
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (dt.datetime, str, int, float),
    "blob": (bytes, bytearray, str),
}


def validate_input(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the parameters of a call, one sentence each; an empty list means valid.

    `params` has the shape that boto3 takes: member names as in the model, blobs as bytes, timestamps in any form.
    Required members, types, lengths and ranges (min and max), patterns (the whole value has to match), enums and
    unions are checked; unknown members are ignored, as the services do.
    Raises botocore.exceptions.UnknownServiceError or botocore.model.OperationNotFoundError for unknown names.
    """
    shape = service_model(service).operation_model(operation).input_shape
    return [] if shape is None else list(_violations(shape, dict(params), ""))


def validation_message(violations: Sequence[str]) -> str:
    """Return the violations as the one message AWS answers with."""
    noun = "error" if len(violations) == 1 else "errors"
    return f"{len(violations)} validation {noun} detected: {'; '.join(violations)}"


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def _violations(shape: Shape, value: Any, path: str) -> Violations:
    if getattr(shape, "is_document_type", False) or getattr(shape, "is_eventstream", False):
        return
    if not _has_type(shape, value):
        yield _sentence(shape, value, path, f"Member must be of type {shape.type_name}")
        return
    yield from _bound_violations(shape, value, path)
    yield from _members(shape, value, path)


def _has_type(shape: Shape, value: Any) -> bool:
    if shape.type_name == "blob" and hasattr(value, "read"):
        return True
    if isinstance(value, bool) and shape.type_name != "boolean":
        return False
    return isinstance(value, TYPES.get(shape.type_name, (object,)))


def _bound_violations(shape: Shape, value: Any, path: str) -> Violations:
    size = _size(shape, value)
    noun = "value" if shape.type_name in ("integer", "long", "float", "double") else "length"
    lowest, highest = shape.metadata.get("min", -math.inf), shape.metadata.get("max", math.inf)
    if size is not None and size < lowest:
        yield _sentence(shape, value, path, f"Member must have {noun} greater than or equal to {lowest}")
    if size is not None and size > highest:
        yield _sentence(shape, value, path, f"Member must have {noun} less than or equal to {highest}")


def _size(shape: Shape, value: Any) -> float | None:
    if shape.type_name in ("integer", "long", "float", "double"):
        return float(value)
    sized = shape.type_name in ("string", "list", "map", "blob") and hasattr(value, "__len__")
    return len(value) if sized else None


def _members(shape: Shape, value: Any, path: str) -> Violations:
    if isinstance(shape, StructureShape):
        yield from _structure_members(shape, value, path)
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value, start=1):
            yield from _violations(shape.member, item, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _violations(shape.key, key, f"{path}.{key}.key")
            yield from _violations(shape.value, item, f"{path}.{key}.value")
    elif isinstance(shape, StringShape):
        yield from _string_violations(shape, value, path)


def _structure_members(shape: StructureShape, value: Mapping[str, Any], path: str) -> Violations:
    given = {name: value[name] for name in shape.members if value.get(name) is not None}
    for name in shape.required_members:
        if name not in given:
            yield _sentence(shape.members[name], None, _join(path, name), "Member must not be null")
    if shape.is_tagged_union and len(given) != 1:
        yield _sentence(shape, sorted(given), path, "Member must have exactly one of its members set")
    for name, item in given.items():
        yield from _violations(shape.members[name], item, _join(path, name))


def _string_violations(shape: StringShape, value: str, path: str) -> Violations:
    pattern, too_long = shape.metadata.get("pattern"), len(value) > shape.metadata.get("max", math.inf)
    if pattern and not too_long and not _matches(pattern, value):
        yield _sentence(shape, value, path, f"Member must satisfy regular expression pattern: {pattern}")
    if shape.enum and value not in {*shape.enum, *UNLISTED_VALUES.get(shape.name, ())}:
        yield _sentence(shape, value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")


def _matches(pattern: str, value: str) -> bool:
    """Whether the whole value matches. Some of AWS's patterns take exponential time; those are given up as no match."""
    compiled = _compiled(pattern)
    try:
        return compiled is None or compiled.fullmatch(value, timeout=PATTERN_SECONDS) is not None
    except TimeoutError:
        return False


@cache
def _compiled(pattern: str) -> regex.Pattern[str] | None:
    """The pattern, or None for the few that only Java's syntax reads; those are not checked."""
    try:
        return regex.compile(pattern)
    except regex.error:
        return None


def _sentence(shape: Shape, value: Any, path: str, constraint: str) -> str:
    shown = "***" if shape.metadata.get("sensitive") else "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    member = name[0].lower() + name[1:]
    return f"{path}.{member}" if path else member
