"""Links from a task to the AWS console, where what a connection reaches is in the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    from airflow.sdk import Context

    from aws_waits.exceptions import AwsWaitError

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


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


class HelpLink(BaseAwsLink):
    """Helper class for the link to AWS's page about a failure; until there is one, to the service's guide."""

    name = "What To Do"
    format_str = "{see}"
    guide: ClassVar[str]

    @classmethod
    def persist_for(cls, context: Context, operator: Any, error: AwsWaitError | None = None) -> None:
        """Store the page that an error points at."""
        see = error.see if error else None
        cls.persist(context, operator, region_name="", aws_partition="", see=see or cls.guide)


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
