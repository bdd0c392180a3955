"""The trigger form: every field of a model's configuration as a parameter of the run, and back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from airflow.sdk import Param, Variable
from airflow.sdk.exceptions import AirflowFailException

from include.config.model import AccountConfig, ModelConfig, parse_account_config, parse_model_config
from include.errors import ModelImportError

SECTIONS = {
    "evaluation": "Evaluation",
    "comparison": "Comparison with the champion",
    "approval": "Approval by a person",
    "retention": "Retention",
    "account": "AWS account",
}
MODEL_SECTION = "Model"
VARIABLE_PREFIX = "model_import_"
RUN_PARAMETERS = "the run's parameters"
_FORM_KEYS = (
    "type", "enum", "pattern", "format", "minLength", "maxLength", "examples",
    "propertyNames", "additionalProperties", "items", "maxItems",
)  # fmt: skip
_BOUNDS = ("minimum", "maximum")
#: Not parameters of a run: Airflow reads the schedule when it reads the DAG file.
_NOT_IN_FORM = {"schedule"}
#: TriggerDagRunOperator adds it to the configuration of the run that it starts.
_ADDED_BY_AIRFLOW = {"openlineage"}


class UnknownParametersError(ModelImportError, AirflowFailException):
    """The run's configuration has keys that are no parameters of the DAG; another try would meet the same keys."""

    def __init__(self, found: Iterable[str]) -> None:
        super().__init__(
            "Unknown parameters",
            "the run's configuration (conf)",
            "the names of the trigger form's fields",
            "; ".join(found),
            "Correct these names and trigger a new run; nothing was started.",
        )


def refuse_unknown_parameters(
    params: Mapping[str, Any], known: Collection[str], spellings: Mapping[str, str] | None = None
) -> None:
    """Refuse what Airflow itself accepts and passes on: keys of a run's configuration that no parameter has.

    Args:
        params: the run's parameters, merged with its configuration.
        known: the DAG's parameters.
        spellings: what people write for a parameter, and the parameter's name.

    Raises:
        UnknownParametersError: names each unknown key and the nearest parameter.
    """
    names = {**(spellings or {}), **{name: name for name in known}}
    unknown = [
        key
        for name, value in params.items()
        if name not in known and name not in _ADDED_BY_AIRFLOW
        for key in _written_keys(name, value)
    ]
    if unknown:
        raise UnknownParametersError(_with_nearest(key, names) for key in unknown)


def _written_keys(name: str, value: Any) -> list[str]:
    """Return the key, or those inside it where it holds a part of a model's file."""
    return [f"{name}.{inner}" for inner in value] if isinstance(value, Mapping) and value else [name]


def _with_nearest(key: str, names: Mapping[str, str]) -> str:
    nearest = get_close_matches(key.lower().replace("-", "_"), names, n=1)
    return f"{key} (did you mean {names[nearest[0]]}?)" if nearest else key


def validation_only(**keywords: Any) -> dict[str, Any]:
    """Return the JSON schema keywords where only the validation of a parameter reads them.

    Airflow's form acts on those that it sees: it changes a number outside its bounds to the nearest inside without a
    word, and marks as required, with a red star, what has a type other than null.
    """
    return {"allOf": [keywords]}


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


def _value_of(config: ModelConfig | None, part: str, field: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default of a parameter, as an argument; nothing where a person has to give the value."""
    holder = getattr(config, part) if part and config else config
    if part == "account" and (holder is None or field not in holder.model_fields_set):
        return {"default": None}
    if holder is not None:
        return {"default": holder.model_dump(mode="json")[field]}
    return {"default": schema["default"]} if "default" in schema else {}


def _form_schema(part: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema for Airflow's form, which takes an empty field for null and refuses null for other types."""
    form = {key: schema[key] for key in _FORM_KEYS if key in schema}
    if form["type"] == "boolean":  # a switch is never empty
        del form["type"]
        return form | validation_only(type="boolean")
    if isinstance(form["type"], str) and (part == "account" or schema.get("default") in ("", {})):
        form["type"] = ["null", form["type"]]
    bounds = {key: schema[key] for key in _BOUNDS if key in schema}
    return form | (validation_only(**bounds) if bounds else {})


def form_params(config: ModelConfig | None) -> dict[str, Param]:
    """Return the parameters of a DAG's trigger form: a model's values, or an empty form without ``config``."""
    params = {}
    for parameter, part, field, schema in _fields():
        form = _form_schema(part, schema)
        if parameter == "model_name" and config is not None:
            form["enum"] = [config.model_name]
        text = schema["description"]
        if part == "account":
            text += f" Empty: Airflow Variable {VARIABLE_PREFIX}{field}."
        params[parameter] = Param(
            **_value_of(config, part, field, schema),
            description=text.replace("`", ""),  # the form shows plain text
            section=SECTIONS.get(part, MODEL_SECTION),
            **form,
        )
    return params


def _account_values(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run's own settings of the account, else those of the Airflow Variables."""
    found = {}
    for field in AccountConfig.model_fields:
        value = params.get(field)
        if value in (None, ""):
            value = Variable.get(f"{VARIABLE_PREFIX}{field}", default=None)
        if value not in (None, ""):
            found[field] = value
    return found


def _spellings(fields: Iterable[tuple[str, str, str, Any]]) -> dict[str, str]:
    """Return what people may write for a parameter: its path in a model's file, or the last part of it."""
    found: dict[str, str] = {}
    for parameter, part, field, _ in fields:
        found.setdefault(field, parameter)
        found[f"{part}.{field}"] = parameter
    return found


def run_account(params: Mapping[str, Any]) -> AccountConfig:
    """Return the account's settings of a run, whatever its other parameters are.

    Raises:
        ModelFileInvalidError: names every wrong setting.
    """
    return parse_account_config(_account_values(params), RUN_PARAMETERS)


def run_config(params: Mapping[str, Any]) -> ModelConfig:
    """Return the configuration that a run's parameters describe, completed by the account's Airflow Variables.

    An empty parameter is a field that a model's file leaves out.

    Raises:
        UnknownParametersError: the run's configuration has keys that are no parameters.
        ModelFileInvalidError: names every wrong parameter.
    """
    fields = list(_fields())
    refuse_unknown_parameters(params, [parameter for parameter, *_ in fields], _spellings(fields))
    values: dict[str, Any] = {"account": _account_values(params)}
    for parameter, part, field, _ in fields:
        if part == "account":
            continue
        holder = values.setdefault(part, {}) if part else values
        if params.get(parameter) is not None:
            holder[field] = params[parameter]
    return parse_model_config(values, RUN_PARAMETERS)
