"""The trigger form: every field of a model's configuration as a parameter of the run, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk import Param, Variable

from include.config import AccountConfig, ModelConfig, parse_model_config

SECTIONS = {
    "evaluation": "Evaluation",
    "comparison": "Comparison with the champion",
    "approval": "Approval by a person",
    "retention": "Retention",
    "account": "AWS account",
}
MODEL_SECTION = "Model"
VARIABLE_PREFIX = "model_import_"
_FORM_KEYS = (
    "type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "examples", "title",
    "propertyNames", "additionalProperties", "items", "maxItems",
)  # fmt: skip
#: Not parameters of a run: Airflow reads the schedule when it reads the DAG file.
_NOT_IN_FORM = {"schedule"}


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {**definitions[name], **{key: value for key, value in schema.items() if key != "$ref"}}
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        return {**schema, **options[0], "type": ["null", options[0]["type"]]}
    return dict(schema)


def _fields() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield parameter name, part of the configuration ("" for the model itself), field, JSON schema."""
    root = ModelConfig.model_json_schema()
    definitions = root["$defs"]
    for name, schema in root["properties"].items():
        if name in _NOT_IN_FORM:
            continue
        resolved = _resolve(schema, definitions)
        if name not in SECTIONS:
            yield name, "", name, resolved
            continue
        for field, part_schema in resolved["properties"].items():
            parameter = field if name == "account" else f"{name}_{field}"
            yield parameter, name, field, _resolve(part_schema, definitions)


def _value_of(config: ModelConfig | None, part: str, field: str) -> tuple[bool, Any]:
    if config is None:
        return False, None
    holder = getattr(config, part) if part else config
    if part == "account" and field not in holder.model_fields_set:
        return True, None
    value = holder.model_dump(mode="json")[field]
    return True, value


def form_params(config: ModelConfig | None) -> dict[str, Param]:
    """Return the parameters of a DAG's trigger form: a model's values, or an empty form without ``config``."""
    params = {}
    for parameter, part, field, schema in _fields():
        known, value = _value_of(config, part, field)
        form = {key: schema[key] for key in _FORM_KEYS if key in schema}
        if part == "account":
            form["type"] = ["null", schema["type"]] if isinstance(schema["type"], str) else schema["type"]
            known, value = True, value
            schema["description"] += f" Empty: Airflow Variable `{VARIABLE_PREFIX}{field}`."
        if parameter == "model_name" and config is not None:
            form["enum"] = [config.model_name]
        if not known and "default" in schema:
            known, value = True, schema["default"]
        default = {"default": value} if known else {}
        section = SECTIONS.get(part, MODEL_SECTION)
        text = schema["description"]
        params[parameter] = Param(**default, description=text, description_md=text, section=section, **form)
    return params


def _account_defaults() -> dict[str, Any]:
    values = {field: Variable.get(f"{VARIABLE_PREFIX}{field}", default=None) for field in AccountConfig.model_fields}
    return {field: value for field, value in values.items() if value not in (None, "")}


def run_config(params: Mapping[str, Any]) -> ModelConfig:
    """Return the configuration that a run's parameters describe, completed by the account's Airflow Variables.

    Raises:
        ModelFileInvalidError: names every wrong parameter.
    """
    values: dict[str, Any] = {"account": _account_defaults()}
    for parameter, part, field, _ in _fields():
        value = params.get(parameter)
        if part == "account" and value in (None, ""):
            continue
        (values.setdefault(part, {}) if part else values)[field] = value
    return parse_model_config(values, "the run's parameters")
