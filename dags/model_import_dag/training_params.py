"""The trigger form of a fine-tune: the fields of the section ``training`` that a run may set, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from airflow.sdk import Param

from include.config.account import AccountConfig
from include.config.model import ModelConfig, parse_model_config
from include.config.training import TrainingConfig
from model_import_dag.account import account_of
from model_import_dag.params import RUN_PARAMETERS, Field, form_schema, resolved
from model_import_dag.refusals import refuse_fixed_parameters, refuse_unknown_parameters

TRAINING = "training"
FORCE = "force"
_SECTIONS = {TRAINING: "Training", f"{TRAINING}.lora": "Adapter", f"{TRAINING}.job": "Training job"}
_SCHEDULE = "schedule"


@cache
def _fields() -> tuple[Field, ...]:
    schema = TrainingConfig.model_json_schema()
    return tuple(_read_fields(TRAINING, schema["properties"], schema["$defs"]))


def _read_fields(part: str, properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Field]:
    for name, schema in properties.items():
        if name == _SCHEDULE:
            continue
        found = resolved(schema, definitions)
        if "properties" in found:
            yield from _read_fields(f"{part}.{name}", found["properties"], definitions)
        else:
            yield Field(part, name, found)


def training_params(file: ModelConfig) -> dict[str, Param]:
    """Return the parameters of a fine-tune's trigger form: what the model's file lets a run change, and ``force``."""
    values = file.model_dump(mode="json")
    force = Param(
        False,
        description="Train again although an adapter of the same data and settings exists: a new, paid job.",
        section=_SECTIONS[TRAINING],
    )
    return {
        field.parameter: Param(
            _value(values, field),
            description=field.schema["description"].replace("`", ""),  # the form shows plain text
            section=_SECTIONS[field.part],
            **form_schema(field.schema),
        )
        for field in _fields()
        if field.path in file.run_may_change
    } | {FORCE: force}


def _value(values: Any, field: Field) -> Any:
    for step in field.path.split("."):
        values = values[step]
    return values


def training_config(file: ModelConfig, params: Mapping[str, Any]) -> ModelConfig:
    """Return the configuration of a run: its model's file with what the run may set, and the account's settings.

    Raises:
        UnknownParametersError: the run's configuration has keys that are no parameters.
        FixedParametersError: the run's configuration sets fields that a run may not set.
        ModelFileInvalidError: names every wrong parameter.
    """
    closed = {field.parameter: field.path for field in _fields() if field.path not in file.run_may_change}
    names = [FORCE, *(field.parameter for field in _fields()), *AccountConfig.model_fields]
    spellings = {field.path: field.parameter for field in _fields()}
    refuse_unknown_parameters(params, names, spellings)
    refuse_fixed_parameters(params, closed, tuple(AccountConfig.model_fields))
    values = file.model_dump(exclude_unset=True, exclude={"account"}) | {FORCE: bool(params.get(FORCE))}
    for field in _fields():
        if field.path in file.run_may_change and field.parameter in params:
            _set(values, field, params[field.parameter])
    values["account"] = account_of(file).model_dump(exclude_defaults=True)
    return parse_model_config(values, RUN_PARAMETERS)


def _set(values: dict[str, Any], field: Field, value: Any) -> None:
    """Set a field; an empty parameter is a field that a model's file leaves out."""
    for step in field.part.split("."):
        values = values.setdefault(step, {})
    if value is None:
        values.pop(field.name, None)
    else:
        values[field.name] = value
