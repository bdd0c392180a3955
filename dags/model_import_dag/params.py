"""The trigger form: the fields that a run may set as parameters of the run, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from airflow.sdk import Param

from include.config.account import AccountConfig, account_settings
from include.config.files import ModelFiles
from include.config.model import RUN_INPUTS, ModelConfig, parse_model_config
from include.config.places import model_folder, overlapping_model
from model_import_dag.account import account_of, variable
from model_import_dag.refusals import (
    ModelFolderOverlapsError,
    ModelHasFileError,
    refuse_fixed_parameters,
    refuse_unknown_parameters,
)

SECTIONS = {
    "evaluation": "Evaluation",
    "comparison": "Comparison with the champion",
    "approval": "Approval by a person",
    "retention": "Retention",
}
MODEL_SECTION = "Model"
RUN_PARAMETERS = "the run's parameters"
_FORM_KEYS = (
    "type", "enum", "pattern", "format", "minLength", "maxLength", "examples",
    "propertyNames", "additionalProperties", "items", "maxItems",
)  # fmt: skip
_BOUNDS = ("minimum", "maximum")
#: Not parameters of a run: Airflow reads the schedule with the DAG file, an import does not train, and the rest is not
#: a run's to set.
_NOT_IN_FORM = {
    "schedule", "run_may_change", "account", "training", "evaluations", "evaluation.metrics", "evaluation.columns",
    "publish", "judge", "bedrock_evaluation", "urgent", "comparison.baseline",
}  # fmt: skip


class Field(NamedTuple):
    """A field of a model's configuration: in part ``part`` of it, or without one in the model itself."""

    part: str
    name: str
    schema: Mapping[str, Any]

    @property
    def parameter(self) -> str:
        """The name of the run's parameter."""
        return self.path.replace(".", "_")

    @property
    def path(self) -> str:
        """The name in a model's file."""
        return f"{self.part}.{self.name}" if self.part else self.name

    def is_open(self, file: ModelConfig | None) -> bool:
        """Return whether a run may set it: a run of a model with this file, or of the form."""
        return file is None or self.path in (*RUN_INPUTS, *file.run_may_change)


def validation_only(**keywords: Any) -> dict[str, Any]:
    """Return the JSON schema keywords where only the validation of a parameter reads them.

    Airflow's form acts on those that it sees: it changes a number outside its bounds to the nearest inside without a
    word, and marks as required, with a red star, what has a type other than null.
    """
    return {"allOf": [keywords]}


def resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a field's schema without references; one that may be empty has the type null too."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {**definitions[name], **{key: value for key, value in schema.items() if key != "$ref"}}
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) > 1:
        return {**schema, "type": ["null", *(option["type"] for option in options)]}
    if options:
        return {**schema, **options[0], "type": ["null", options[0]["type"]]}
    return dict(schema)


@cache
def _fields() -> tuple[Field, ...]:
    return tuple(_read_fields())


def _read_fields() -> Iterator[Field]:
    root = ModelConfig.model_json_schema()
    definitions = root["$defs"]
    for name, schema in root["properties"].items():
        if name in _NOT_IN_FORM:
            continue
        found = resolved(schema, definitions)
        if name not in SECTIONS:
            yield Field("", name, found)
            continue
        for inner, inner_schema in found["properties"].items():
            if f"{name}.{inner}" in _NOT_IN_FORM:
                continue
            yield Field(name, inner, resolved(inner_schema, definitions))


def _value_of(file: ModelConfig | None, field: Field) -> dict[str, Any]:
    """Return the default of a parameter as an argument; nothing if the user must provide the value."""
    holder = getattr(file, field.part) if field.part and file else file
    if holder is not None:
        return {"default": holder.model_dump(mode="json")[field.name]}
    return {"default": field.schema["default"]} if "default" in field.schema else {}


def form_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema for Airflow's form, which takes an empty field for null and refuses null for other types."""
    form = {key: schema[key] for key in _FORM_KEYS if key in schema}
    if form["type"] == "boolean":  # a switch is never empty
        del form["type"]
        return form | validation_only(type="boolean")
    if isinstance(form["type"], str) and schema.get("default") in ("", {}, []):
        form["type"] = ["null", form["type"]]
    bounds = {key: schema[key] for key in _BOUNDS if key in schema}
    return form | (validation_only(**bounds) if bounds else {})


def _with_named_scores(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema without the names of scores: a model's file names others, and ``run_config`` knows them."""
    kept = {key: value for key, value in schema.items() if key != "propertyNames"}
    inner = kept.get("additionalProperties")
    return kept | ({"additionalProperties": _with_named_scores(inner)} if isinstance(inner, dict) else {})


def form_params(file: ModelConfig | None) -> dict[str, Param]:
    """Return the parameters of a DAG's trigger form: what a run of this model may set, or everything without a file."""
    return {
        field.parameter: Param(
            **_value_of(file, field),
            description=field.schema["description"].replace("`", ""),  # the form shows plain text
            section=SECTIONS.get(field.part, MODEL_SECTION),
            **form_schema(_with_named_scores(field.schema) if file and file.evaluation.metrics else field.schema),
        )
        for field in _fields()
        if field.is_open(file)
    }


def _spellings() -> dict[str, str]:
    """Return the accepted spellings of a parameter: its path in a model's file, or the last part of it."""
    found: dict[str, str] = {}
    for field in _fields():
        found.setdefault(field.name, field.parameter)
        found[field.path] = field.parameter
    return found | {f"account.{name}": name for name in AccountConfig.model_fields}


def run_config(file: ModelConfig | None, params: Mapping[str, Any], files: ModelFiles) -> ModelConfig:
    """Return the configuration of a run: its model's file with what the run may set, or the form; and the account's.

    An empty parameter is a field that a model's file leaves out.

    Args:
        file: the model's file; None for a run of the form.
        params: the run's parameters, merged with its configuration.
        files: all models that have a file.

    Raises:
        UnknownParametersError: the run's configuration has keys that are no parameters.
        FixedParametersError: the run's configuration sets fields that a run may not set.
        ModelHasFileError: the form names a model that has a file.
        ModelFolderOverlapsError: the model's folder is inside another model's.
        ModelFileInvalidError: names every wrong parameter.
    """
    closed = {field.parameter: field.path for field in _fields() if not field.is_open(file)}
    names = [*(field.parameter for field in _fields()), *AccountConfig.model_fields]
    refuse_unknown_parameters(params, names, _spellings())
    refuse_fixed_parameters(params, closed, tuple(AccountConfig.model_fields))
    if file is None and params.get("model_name") in files.claimed:
        raise ModelHasFileError(params["model_name"])
    values = _with_parameters(file, params) | {"account": account_of(file).model_dump(exclude_defaults=True)}
    config = parse_model_config(values, RUN_PARAMETERS)
    _refuse_overlap(config, files)
    return config


def _with_parameters(file: ModelConfig | None, params: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = file.model_dump(exclude_unset=True, exclude={"account"}) if file else {}
    for field in _fields():
        if not field.is_open(file):
            continue
        holder = values.setdefault(field.part, {}) if field.part else values
        if params.get(field.parameter) is not None:
            holder[field.name] = params[field.parameter]
        elif field.parameter in params:
            holder.pop(field.name, None)
    return values


def _refuse_overlap(config: ModelConfig, files: ModelFiles) -> None:
    asked = cache(variable)
    accounts = {name: other.account for name, other in files.configs.items()}
    places = {name: account_settings(account, asked, ("bucket", "prefix")) for name, account in accounts.items()}
    if other := overlapping_model(config.model_name, config.account, places):
        raise ModelFolderOverlapsError(model_folder(config.model_name, config.account), other)
