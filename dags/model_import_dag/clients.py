"""The boto3 clients of the run's AWS connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.preflight.asking import AWS_SERVICES, AwsClients
from include.run.plan import ImportPlan

if TYPE_CHECKING:
    from include.aws.imported_models import RetentionClients
    from include.steps.evaluate import EvaluationClients

#: A cold model answers its first call only after minutes. The evaluation paces its retries itself; as many connections
#: are kept as it asks questions at a time.
RUNTIME_CONFIG: dict[str, Any] = {
    "read_timeout": 300,
    "retries": {"total_max_attempts": 1},
    "max_pool_connections": 64,
}
#: Retention asks about hundreds of models one after the other.
PATIENT_RETRIES: Any = {"mode": "adaptive", "total_max_attempts": 10}


def service_client(aws_conn_id: str, region_name: str | None, client_type: str) -> Any:
    """Return a client; without a region, in the connection's."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config

    if client_type == "s3":
        return S3Hook(aws_conn_id=aws_conn_id, region_name=region_name).get_conn()
    config = Config(**RUNTIME_CONFIG) if client_type == "bedrock-runtime" else None
    return AwsBaseHook(
        aws_conn_id=aws_conn_id, region_name=region_name, client_type=client_type, config=config
    ).get_conn()


def client(plan: ImportPlan, client_type: str) -> Any:
    """Return a client in the plan's region."""
    return service_client(plan.aws_conn_id, plan.region_name, client_type)


def aws_clients(aws_conn_id: str, region_name: str | None) -> AwsClients:
    """Return the clients that preflight asks; without a region, the connection's."""
    return AwsClients(*(service_client(aws_conn_id, region_name, name) for name in AWS_SERVICES))


def evaluation_clients(plan: ImportPlan) -> EvaluationClients:
    """Return the clients of an evaluation."""
    from include.steps.evaluate import EvaluationClients

    return EvaluationClients(*(client(plan, name) for name in ("bedrock-runtime", "s3", "bedrock")))


def retention_clients(aws_conn_id: str, region_name: str | None) -> RetentionClients:
    """Return the clients of retention, which wait when they are throttled; without a region, the connection's."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from botocore.config import Config

    from include.aws.imported_models import RetentionClients

    hooks = (
        AwsBaseHook(aws_conn_id, region_name=region_name, client_type=name, config=Config(retries=PATIENT_RETRIES))
        for name in ("bedrock", "s3", "sagemaker")
    )
    return RetentionClients(*(hook.get_conn() for hook in hooks))
