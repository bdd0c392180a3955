"""The boto3 clients of the run's AWS connection."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from include.aws.clients import AwsClients
from include.config.account import AccountConfig
from include.config.files import read_model_files
from include.errors import ModelImportError
from include.run.plan import ImportPlan
from model_import_dag.account import connection_of

#: A cold model answers its first call only after minutes. The evaluation paces its retries itself; as many connections
#: are kept as it asks questions at a time.
RUNTIME_CONFIG: dict[str, Any] = {
    "read_timeout": 300,
    "retries": {"total_max_attempts": 1},
    "max_pool_connections": 64,
}
#: Services that a closed network may have no route to. A run can do without their answers and does not wait long.
DISPENSABLE_SERVICES = ("iam", "kms", "service-quotas")
DISPENSABLE_CONFIG: dict[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 10,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}


class AwsConnectionMissingError(ModelImportError):
    """Airflow has no connection of the name that the account's settings give."""

    def __init__(self, aws_conn_id: str) -> None:
        super().__init__(
            "There is no such Airflow connection",
            aws_conn_id,
            "the name of an AWS connection of this Airflow",
            remedy="Create the connection, or correct model_import_aws_conn_id.",
        )


def service_client(aws_conn_id: str, region_name: str | None, client_type: str) -> Any:
    """Return a client; without a region, in the connection's."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config

    from aws_waits.hooks import ConnectionConfigHook

    if client_type == "s3":
        return S3Hook(aws_conn_id=aws_conn_id, region_name=region_name).get_conn()
    config = Config(**RUNTIME_CONFIG) if client_type == "bedrock-runtime" else None
    defaults = Config(**DISPENSABLE_CONFIG) if client_type in DISPENSABLE_SERVICES else None
    return ConnectionConfigHook(
        aws_conn_id=aws_conn_id, region_name=region_name, client_type=client_type, config=config, defaults=defaults
    ).get_conn()


def aws_clients(aws_conn_id: str, region_name: str | None, kms_key_id: str | None = None) -> AwsClients:
    """Return the clients of a connection; without a region, in the connection's.

    Raises:
        AwsConnectionMissingError: Airflow has no connection of this name.
    """
    _check_connection(aws_conn_id)
    return AwsClients(partial(service_client, aws_conn_id, region_name), kms_key_id)


def clients_of(plan: ImportPlan) -> AwsClients:
    """Return the clients of the plan's connection, in its region."""
    return aws_clients(plan.aws_conn_id, plan.region_name, plan.config.account.kms_key_id)


def clients_of_model(model_name: str, models_folder: Path) -> AwsClients:
    """Return the clients of a model's own connection and region: its file's, else those of Airflow's Variables.

    Raises:
        BrokenModelFilesError: the model's file cannot be read.
    """
    files = read_model_files(models_folder)
    if model_name in files.claimed - files.configs.keys():
        files.raise_on_errors()
    return aws_clients(*connection_of(files.configs.get(model_name)))


def _check_connection(aws_conn_id: str) -> None:
    """Refuse a missing connection, instead of which the provider would use the worker's own credentials.

    For the default connection that is intended: without it, the worker's role or environment is used.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException
    from airflow.sdk import BaseHook

    if aws_conn_id == AccountConfig.model_fields["aws_conn_id"].default:
        return
    try:
        BaseHook.get_connection(aws_conn_id)
    except AirflowNotFoundException as error:
        raise AwsConnectionMissingError(aws_conn_id) from error
