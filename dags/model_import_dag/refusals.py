"""Refuse invalid keys of a run's configuration (conf); Airflow itself accepts any key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException

from include.config.names import import_dag_id
from include.config.parsing import nearest
from include.errors import ModelImportError

#: TriggerDagRunOperator adds it to the configuration of the run that it starts.
_ADDED_BY_AIRFLOW = {"openlineage"}
_CONF = "the run's configuration (conf)"


class UnknownParametersError(ModelImportError, AirflowFailException):
    """The run's configuration has keys that are no parameters of the DAG; another try would meet the same keys."""

    def __init__(self, found: Iterable[str]) -> None:
        super().__init__(
            "Unknown parameters",
            _CONF,
            "the names of the trigger form's fields",
            "; ".join(found),
            "Correct these names and trigger a new run; nothing was started.",
        )


class FixedParametersError(ModelImportError, AirflowFailException):
    """The run's configuration sets fields that only the model's file or the Airflow Variables may set."""

    def __init__(self, found: Iterable[str], expected: str, remedy: str) -> None:
        super().__init__("A run cannot set these parameters", _CONF, expected, ", ".join(found), remedy)


class ModelHasFileError(ModelImportError, AirflowFailException):
    """The form names a model that has a file, and so a DAG of its own."""

    def __init__(self, model_name: str) -> None:
        super().__init__(
            "This model has a file in dags/models/",
            model_name,
            "the name of a model without a file",
            remedy=f"Trigger {import_dag_id(model_name)}, or choose another model_name; nothing was started.",
        )


class ModelFolderOverlapsError(ModelImportError, AirflowFailException):
    """The model's folder in S3 is inside another model's, or the other way round."""

    def __init__(self, folder: str, other: str) -> None:
        super().__init__(
            "A model's folder in S3 overlaps with another model's",
            folder,
            f"a folder beside that of {other}",
            remedy="Correct account.prefix in the model's file; nothing was started.",
        )


def refuse_unknown_parameters(
    params: Mapping[str, Any], known: Collection[str], spellings: Mapping[str, str] | None = None
) -> None:
    """Refuse keys of a run's configuration that are not parameters.

    Args:
        params: the run's parameters, merged with its configuration.
        known: the DAG's parameters.
        spellings: accepted spellings, and the parameter's name.

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
    similar = nearest(key, names)
    return f"{key} (did you mean {similar}?)" if similar else key


def refuse_fixed_parameters(params: Mapping[str, Any], fixed: Mapping[str, str], account: Collection[str]) -> None:
    """Refuse keys that are fields of a model's file but that a run may not set.

    Args:
        params: the run's parameters, merged with its configuration.
        fixed: the parameters that only the model's file sets, with their names in it.
        account: the settings of the account.

    Raises:
        FixedParametersError: names them, and where they are set.
    """
    if named := [name for name in account if name in params]:
        remedy = "Have the Airflow Variables set, or account in the model's file, and trigger a new run."
        raise FixedParametersError(named, "account settings only in the Variables model_import_* or in a file", remedy)
    if named := [path for name, path in fixed.items() if name in params]:
        expected = "base, adapter, dtype, force, comment, and what the model's file lists under run_may_change"
        raise FixedParametersError(named, expected, "Change the model's file, or list them there under run_may_change.")
