"""The boto3 clients of the run's AWS connection."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from include.aws.clients import AwsClients
from include.config.files import read_model_files
from include.run.plan import ImportPlan
from model_import_dag.account import connection_of

#: A cold model answers its first call only after minutes. The evaluation paces its retries itself; as many connections
#: are kept as it asks questions at a time.
RUNTIME_CONFIG: dict[str, Any] = {
    "read_timeout": 300,
    "retries": {"total_max_attempts": 1},
    "max_pool_connections": 64,
}


def service_client(aws_conn_id: str, region_name: str | None, client_type: str) -> Any:
    """Return a client; without a region, in the connection's."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config

    from bedrock_import.hooks import ConnectionConfigHook

    if client_type == "s3":
        return S3Hook(aws_conn_id=aws_conn_id, region_name=region_name).get_conn()
    config = Config(**RUNTIME_CONFIG) if client_type == "bedrock-runtime" else None
    return ConnectionConfigHook(
        aws_conn_id=aws_conn_id, region_name=region_name, client_type=client_type, config=config
    ).get_conn()


def aws_clients(aws_conn_id: str, region_name: str | None) -> AwsClients:
    """Return the clients of a connection; without a region, in the connection's."""
    return AwsClients(partial(service_client, aws_conn_id, region_name))


def clients_of(plan: ImportPlan) -> AwsClients:
    """Return the clients of the plan's connection, in its region."""
    return aws_clients(plan.aws_conn_id, plan.region_name)


def clients_of_model(model_name: str, models_folder: Path) -> AwsClients:
    """Return the clients of a model's own connection and region: its file's, else those of Airflow's Variables.

    Raises:
        BrokenModelFilesError: the model's file cannot be read.
    """
    files = read_model_files(models_folder)
    if model_name in files.claimed - files.configs.keys():
        files.raise_on_errors()
    return aws_clients(*connection_of(files.configs.get(model_name)))
