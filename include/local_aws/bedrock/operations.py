"""Which operation a request calls and with what parameters, read from botocore's service models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.model import OperationModel, Shape, StructureShape

from include.local_aws.bedrock.errors import InvalidRequestError, MalformedBodyError, OperationNotEmulatedError
from include.local_aws.request_validation import service_model, validate_input, validation_message

SERVICES = ("bedrock", "bedrock-runtime")


@dataclass(frozen=True)
class HttpRequest:
    """The parts of an HTTP request that hold parameters: the path still percent-encoded, header names in lower case."""

    method: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Route:
    """One operation's method and path."""

    service: str
    operation: OperationModel
    method: str
    pattern: re.Pattern[str]
    labels: int


@dataclass(frozen=True)
class Call:
    """One request, understood: the operation, its parameters as boto3 would take them, and the status of success."""

    service: str
    operation: str
    params: Mapping[str, Any]
    success_status: int


def read_call(request: HttpRequest) -> Call:
    """Return the call that a request makes. Raises OperationNotEmulatedError, MalformedBodyError."""
    for route in _routes():
        labels = route.pattern.fullmatch(request.raw_path) if route.method == request.method else None
        if labels is not None:
            params = dict(_params(route.operation, request, labels))
            return Call(route.service, route.operation.name, params, int(route.operation.http["responseCode"]))
    raise OperationNotEmulatedError(
        f"The stand-in for AWS does not emulate {request.method} {request.raw_path}: of the services that sign as "
        "bedrock it has model imports (bedrock) and their invocation (bedrock-runtime)."
    )


def check_call(call: Call) -> None:
    """Raises InvalidRequestError when a parameter breaks the service model."""
    violations = validate_input(call.service, call.operation, call.params)
    if violations:
        raise InvalidRequestError(validation_message(violations))


@cache
def _routes() -> tuple[Route, ...]:
    """All operations, those with the fewest labels first: /x/list goes before /x/{id}."""
    routes = (_route(service, name) for service in SERVICES for name in service_model(service).operation_names)
    return tuple(sorted(routes, key=lambda route: route.labels))


def _route(service: str, name: str) -> Route:
    operation = service_model(service).operation_model(name)
    path = operation.http["requestUri"].split("?")[0]
    pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", r"(?P<\1>[^/]+)", re.escape(path))
    return Route(service, operation, operation.http["method"], re.compile(pattern + "/?"), path.count("{"))


def _params(operation: OperationModel, request: HttpRequest, labels: re.Match[str]) -> Iterator[tuple[str, Any]]:
    shape = operation.input_shape
    if not isinstance(shape, StructureShape):
        return
    payload = shape.serialization.get("payload")
    in_body = {} if payload else _json_object(request.body)
    for name, member in shape.members.items():
        value = request.body if name == payload else _member(member, name, request, labels, in_body)
        if value is not None:
            yield name, value


def _member(member: Shape, name: str, request: HttpRequest, labels: re.Match[str], in_body: Mapping[str, Any]) -> Any:
    wire_name = member.serialization.get("name", name)
    match member.serialization.get("location"):
        case "uri":
            return unquote(labels[wire_name])
        case "querystring":
            return _from_text(member, request.query.get(wire_name))
        case "header":
            return request.headers.get(wire_name.lower())
        case _:
            return in_body.get(wire_name)


def _from_text(member: Shape, text: str | None) -> Any:
    """A number where the member is one and the text reads as one; the validation refuses what is left as text."""
    if text is not None and member.type_name == "integer" and re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    return text


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError as error:
        raise MalformedBodyError(f"The request body is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise MalformedBodyError(f"The request body is a JSON {type(value).__name__}, not an object.")
    return value
