"""Links from a task to a training job and its log in the AWS console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink

from aws_waits.links import HelpLink, has_console, persist_in_console

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    from airflow.sdk import Context


class SageMakerTrainingJobLink(BaseAwsLink):
    """Helper class for constructing the link to a training job. Persist it with ``job_name``."""

    name = "SageMaker Training Job"
    key = "sagemaker_training_job"
    format_str = BASE_AWS_CONSOLE_LINK + "/sagemaker/home?region={region_name}#/jobs/{job_name}"


class SageMakerTrainingLogsLink(BaseAwsLink):
    """Helper class for constructing the link to a training job's logs. Persist it with ``job_name``.

    The console encodes the slashes of a group's name twice, and writes ``$`` for ``%``.
    """

    name = "Training Logs"
    key = "sagemaker_training_logs"
    format_str = (
        BASE_AWS_CONSOLE_LINK + "/cloudwatch/home?region={region_name}#logsV2:log-groups/log-group/"
        "$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3D{job_name}"
    )


class SageMakerTrainingHelpLink(HelpLink):
    """Helper class for the link to AWS's page about a failure; until there is one, to the page about training jobs."""

    key = "sagemaker_training_help"
    guide = "https://docs.aws.amazon.com/sagemaker/latest/dg/how-it-works-training.html"


def persist_job(context: Context, operator: Any, hook: AwsGenericHook[Any], job_name: str) -> None:
    """Store what the links to a job and its logs need, where there is a console."""
    for link in (SageMakerTrainingJobLink, SageMakerTrainingLogsLink):
        persist_in_console(link, context, operator, hook, job_name=job_name)


def console_url_for(job_arn: str, hook: AwsGenericHook[Any]) -> str | None:
    """Return the console page of a job that the hook reached, where there is a console."""
    return console_url(job_arn) if has_console(hook) else None


def console_url(resource: str) -> str | None:
    """Return the console page for the ARN of a training job; None for a mere name."""
    if not resource.startswith("arn:"):
        return None
    _, partition, _, region, _, name = resource.split(":", 5)
    domain = BaseAwsLink.get_aws_domain(partition)
    job_name = name.rpartition("/")[2]
    return SageMakerTrainingJobLink().format_link(region_name=region, aws_domain=domain, job_name=job_name)
