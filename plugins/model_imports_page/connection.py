"""AWS by way of an Airflow connection, from inside the API server."""

from __future__ import annotations

from typing import Any

from airflow.models import Connection, Variable
from botocore.config import Config

from aws_waits.hooks import ConnectionConfigHook
from include.aws.clients import AwsClients
from include.config.account import AccountConfig, connection_settings

#: A person waits: rather an error soon than an answer late.
HASTY = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})


class _ServerHook(ConnectionConfigHook):
    """The provider's hook asks the task's supervisor for the connection; the API server reads it itself."""

    @classmethod
    def get_connection(cls, conn_id: str) -> Any:
        return Connection.get_connection_from_secrets(conn_id)


def _variable(name: str) -> str | None:
    found: str | None = Variable.get(name, default_var=None)
    return found


def connect(own: AccountConfig | None = None) -> AwsClients:
    """Return the clients of a model with this ``account`` in its file, or of models without a file, as the DAGs do."""
    connection = connection_settings(own, _variable)

    def client(service: str) -> Any:
        return _ServerHook(
            connection.aws_conn_id, region_name=connection.region_name, client_type=service, config=HASTY
        ).get_conn()

    return AwsClients(client)
