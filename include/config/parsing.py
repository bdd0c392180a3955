"""Validate a part of a model's configuration, and explain what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from reprlib import Repr
from typing import Any, TypeVar

from pydantic import ValidationError

from include.config.errors import ModelFileInvalidError
from include.config.part import Part, field_paths

P = TypeVar("P", bound=Part)

#: A value of a YAML file may be of any size and depth.
_SHORT = Repr()
_SHORT.maxstring, _SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict = 80, 2, 3, 3
_TYPE_WORDS = {
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be a section of `name: value` lines",
    "model_type": "must be a section of `name: value` lines",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be greater than {gt}",
    "less_than": "must be less than {lt}",
    "missing": "is missing",
    "value_error": "{error}",
}

#: What a field with a pattern takes, by its name.
_PATTERN_WORDS = {
    "model_name": "lower-case letters and digits, with single hyphens between them, such as mistral-7b-v0-3",
    "name": "lower-case letters, digits, hyphens and underscores, with a letter first",
    "prefix": "letters, digits, slashes and -!_*'().",
    "role_arn": "an IAM role's ARN, such as arn:aws:iam::123456789012:role/NAME",
    "training_role_arn": "an IAM role's ARN, such as arn:aws:iam::123456789012:role/NAME",
    "evaluation_role_arn": "an IAM role's ARN, such as arn:aws:iam::123456789012:role/NAME",
    "wheels": "s3://bucket/prefix",
    "instance_type": "an instance type of SageMaker, such as ml.g6.12xlarge",
    "topic_arn": "an SNS topic's ARN, such as arn:aws:sns:us-east-1:123456789012:NAME",
    "metrics_namespace": "up to 255 letters, digits and ._/#-",
    "model": "the id or ARN of a foundation model or an inference profile of Bedrock",
    "evaluator_model": "the id or ARN of a foundation model or a system-defined inference profile of Bedrock",
    "guardrail_id": "a guardrail's id of lower-case letters and digits, or its ARN",
    "guardrail_version": "a number from 1 on, or DRAFT",
    "s3": "s3://bucket/prefix",
    "queue_url": "a queue's URL that begins with https:// or http://",
}


def parse(kind: type[P], values: object, source: str) -> P:
    """Return the part that ``values`` describe.

    Raises:
        ModelFileInvalidError: names ``source`` and every wrong field.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ModelFileInvalidError(source, tuple(_problem(each, kind) for each in error.errors())) from None


def nearest(key: str, names: Mapping[str, str]) -> str | None:
    """Return the value of the name that is spelled most like ``key``; None when no name is similar."""
    found = get_close_matches(key.lower().replace("-", "_"), names, n=1)
    return names[found[0]] if found else None


def _problem(error: Mapping[str, Any], kind: type[Part]) -> str:
    field = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if not field:
        return _no_fields(error, kind)
    if error["type"] == "extra_forbidden":
        return f"{field}: there is no such field{_suggestion(field, kind)} (found {_SHORT.repr(error['input'])})"
    found = "" if error["type"] == "missing" else f" (found {_SHORT.repr(error['input'])})"
    return f"{field}: {_explain(error, field)}{found}"


def _no_fields(error: Mapping[str, Any], kind: type[Part]) -> str:
    """Explain a file that holds no fields at all, or what is wrong with all of them together."""
    if error["type"] not in ("model_type", "dict_type"):
        return f"the file: {_explain(error, '')}"
    required = ", ".join(name for name, field in kind.model_fields.items() if field.is_required())
    found = "it is empty" if error["input"] is None else f"it holds {_SHORT.repr(error['input'])}"
    return f"the file: {found}, and not one field a line; needed are {required}"


def _explain(error: Mapping[str, Any], field: str) -> str:
    """Return in plain words what is wrong with a value; pydantic's own words where there are no better ones."""
    context = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch":
        return f"must be {_PATTERN_WORDS.get(field.rpartition('.')[2], 'of the form ' + context['pattern'])}"
    if error["type"] == "literal_error":
        return f"must be one of {context['expected']}{_similar(str(error['input']), context['expected'])}"
    return _TYPE_WORDS.get(error["type"], str(error["msg"])).format(**context)


def _similar(value: str, expected: str) -> str:
    choices = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    found = nearest(value, {choice.lower(): choice for choice in choices})
    return f"; did you mean {found}?" if found else ""


def _suggestion(field: str, kind: type[Part]) -> str:
    if "metrics" in field.split(".")[:-1]:  # a parameter of a metric is no field
        return ""
    names: dict[str, str] = {}
    for path in field_paths(kind):
        names.setdefault(path.rpartition(".")[2], path)
        names[path] = path
    similar = nearest(field, names)
    if similar is None:
        return ""
    section, _, name = similar.rpartition(".")
    return f", did you mean {name} under {section}?" if section else f", did you mean {name}?"
