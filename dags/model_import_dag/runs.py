"""What ties an import to its DAG run, and a task to the AWS consoles."""

from __future__ import annotations

from typing import Any

from include.plan import ImportPlan


def provenance(context: Any) -> dict[str, str]:
    """Return the tags that say which run imports."""
    return {"dag_id": context["dag"].dag_id, "dag_run_id": context["run_id"]}


def _persist(context: Any, link: Any, plan: ImportPlan, **values: str) -> None:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    hook: Any = AwsBaseHook(aws_conn_id=plan.aws_conn_id, region_name=plan.region_name, client_type="s3")
    link.persist(context, context["task"], hook.conn_region_name, hook.conn_partition, **values)


def link_to_s3(context: Any, plan: ImportPlan) -> None:
    """Link the task to the checkpoint's prefix in the S3 console."""
    from bedrock_import.links import S3PrefixLink

    _persist(context, S3PrefixLink, plan, s3_uri=plan.s3_uri)


def link_to_registry(context: Any, plan: ImportPlan) -> None:
    """Link the task to the model registry in the SageMaker console."""
    from bedrock_import.links import SageMakerModelRegistryLink

    _persist(context, SageMakerModelRegistryLink, plan)
