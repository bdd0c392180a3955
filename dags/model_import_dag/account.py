"""Account settings of a DAG: from its model's file, else from the Airflow Variables."""

from __future__ import annotations

from airflow.sdk import Variable

from include.config.account import AccountConfig, ConnectionSettings, account_settings, connection_settings
from include.config.model import ModelConfig


def variable(name: str) -> str | None:
    """Return the value of an Airflow Variable, or None."""
    found: str | None = Variable.get(name, default=None)
    return found


def account_of(file: ModelConfig | None, *fields: str) -> AccountConfig:
    """Return these settings of the account, or all of them, for a model with this file, or without a file.

    Raises:
        ModelFileInvalidError: names every wrong setting.
    """
    return account_settings(file.account if file else None, variable, fields or tuple(AccountConfig.model_fields))


def connection_of(file: ModelConfig | None = None) -> ConnectionSettings:
    """Return the Airflow connection and the region of a model with this file, or without a file."""
    return connection_settings(file.account if file else None, variable)
