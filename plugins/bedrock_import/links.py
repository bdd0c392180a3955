"""Links from a task to the AWS console.

AWS documents no address for a single import job or imported model, so those two open the page that lists them; and the
Model Registry is shown in SageMaker Studio only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink

from aws_waits.links import HelpLink, has_console

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

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


class BedrockEvaluationJobLink(BaseAwsLink):
    """Helper class for constructing the link to an evaluation job. Persist it with ``job_name`` and ``job_arn``.

    Its address is not documented; it is that to which the console's list of jobs leads.
    """

    name = "Bedrock Evaluation Job"
    key = "bedrock_evaluation_job"
    format_str = (
        BASE_AWS_CONSOLE_LINK
        + "/bedrock/home?region={region_name}#/eval/model-evaluation/report?job={job_name}&jobIdentifier={job_arn}"
    )


class SageMakerModelRegistryLink(BaseAwsLink):
    """Helper class for constructing the link to SageMaker Studio, which shows the Model Registry."""

    name = "SageMaker Model Registry"
    key = "sagemaker_model_registry"
    format_str = BASE_AWS_CONSOLE_LINK + "/sagemaker/home?region={region_name}#/studio"


class BedrockImportHelpLink(HelpLink):
    """Helper class for the link to AWS's page about a failure; until there is one, to the page about imports."""

    key = "bedrock_import_help"
    guide = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-import-model.html"


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


def evaluation_job_url(job_name: str, job_arn: str) -> str:
    """Return the console page of an evaluation job."""
    _, partition, _, region, *_ = job_arn.split(":")
    domain = BaseAwsLink.get_aws_domain(partition)
    return BedrockEvaluationJobLink().format_link(
        region_name=region, aws_domain=domain, job_name=job_name, job_arn=job_arn
    )
