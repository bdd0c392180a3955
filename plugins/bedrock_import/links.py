"""Links from a task to the AWS console.

AWS documents no address for a single import job or imported model, so those two open the page that lists them; and the
Model Registry is shown in SageMaker Studio only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    from airflow.sdk import Context

    from bedrock_import.exceptions import BedrockModelImportError

IMPORT_GUIDE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-import-model.html"
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_BEDROCK_IMPORTS = BASE_AWS_CONSOLE_LINK + "/bedrock/home?region={region_name}#/import-models"


class BedrockModelImportJobLink(BaseAwsLink):
    """Helper class for constructing the link to Bedrock's import jobs."""

    name = "Bedrock Model Import Job"
    key = "bedrock_model_import_job"
    format_str = _BEDROCK_IMPORTS


class BedrockImportedModelLink(BaseAwsLink):
    """Helper class for constructing the link to Bedrock's imported models."""

    name = "Bedrock Imported Model"
    key = "bedrock_imported_model"
    format_str = _BEDROCK_IMPORTS


class S3PrefixLink(BaseAwsLink):
    """Helper class for constructing the link to a prefix of a bucket. Persist it with ``s3_uri``."""

    name = "S3 Prefix"
    key = "s3_prefix"
    format_str = BASE_AWS_CONSOLE_LINK + "/s3/buckets/{bucket}?region={region_name}&prefix={prefix}"

    def format_link(self, **kwargs: Any) -> str:
        """Return the URL of the page that lists the objects under ``s3_uri``."""
        bucket, _, prefix = kwargs["s3_uri"].removeprefix("s3://").partition("/")
        folder = f"{prefix.rstrip('/')}/" if prefix else ""
        return super().format_link(bucket=bucket, prefix=quote(folder, safe=""), **kwargs)


class SageMakerModelRegistryLink(BaseAwsLink):
    """Helper class for constructing the link to SageMaker Studio, which shows the Model Registry."""

    name = "SageMaker Model Registry"
    key = "sagemaker_model_registry"
    format_str = BASE_AWS_CONSOLE_LINK + "/sagemaker/home?region={region_name}#/studio"


class BedrockImportHelpLink(BaseAwsLink):
    """Helper class for the link to AWS's page about a failure; until there is one, to the page about imports."""

    name = "What To Do"
    key = "bedrock_import_help"
    format_str = "{see}"

    @classmethod
    def persist_for(cls, context: Context, operator: Any, error: BedrockModelImportError | None = None) -> None:
        """Store the page that an error points at."""
        see = error.see if error else None
        cls.persist(context, operator, region_name="", aws_partition="", see=see or IMPORT_GUIDE)


def is_aws(endpoint_url: str) -> bool:
    """Return whether an endpoint is AWS's own, a VPC endpoint included; what is elsewhere is not in AWS's console."""
    return (urlsplit(endpoint_url).hostname or "").endswith(_AWS_DOMAINS)


def has_console(hook: AwsGenericHook[Any]) -> bool:
    """Return whether what the hook's connection reaches is in AWS's console: it has no endpoint elsewhere."""
    endpoint_url = hook.conn_config.get_service_endpoint_url(hook.client_type or "bedrock")
    return not endpoint_url or is_aws(endpoint_url)


def persist_in_console(
    link: type[BaseAwsLink], context: Context, operator: Any, hook: AwsGenericHook[Any], **values: str
) -> None:
    """Store what a link to the console needs, where there is a console."""
    if has_console(hook):
        link.persist(context, operator, hook.conn_region_name, hook.conn_partition, **values)


def console_url_for(resource: str, hook: AwsGenericHook[Any]) -> str | None:
    """Return the console page for an ARN that the hook reached, where there is a console."""
    return console_url(resource) if has_console(hook) else None


def console_url(resource: str) -> str | None:
    """Return the console page for the ARN of an import job or imported model; None for a mere name."""
    if not resource.startswith("arn:"):
        return None
    _, partition, _, region, *_ = resource.split(":")
    domain = BaseAwsLink.get_aws_domain(partition)
    return BedrockModelImportJobLink().format_link(region_name=region, aws_domain=domain)
