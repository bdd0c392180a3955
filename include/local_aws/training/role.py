"""Whether SageMaker may assume the role of a training job, and a client of S3 that has what the role has."""

from __future__ import annotations

from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition

from include.local_aws.aws_errors import AwsError
from include.local_aws.bedrock.access_policy import AccessRequest, UnsupportedConditionError, is_allowed

SERVICE_PRINCIPAL = "sagemaker.amazonaws.com"


def check_assumable(role_arn: str, account_id: str, job_arn: str) -> None:
    """Raise a ValidationException unless the role exists and its trust policy lets SageMaker assume it for this job."""
    context = {"aws:SourceAccount": account_id, "aws:SourceArn": job_arn}
    request = AccessRequest("sts:AssumeRole", principals=(SERVICE_PRINCIPAL,), context=context)
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    try:
        role = iam_backends[account][partition].get_role_by_arn(role_arn)
        trusted = account == account_id and is_allowed([role.assume_role_policy_document], request)
    except (NotFoundException, UnsupportedConditionError) as error:
        raise AwsError("ValidationException", f"Could not assume role {role_arn}: {error}") from error
    if not trusted:
        message = f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
        raise AwsError("ValidationException", f"{message}'{SERVICE_PRINCIPAL}' to assume the role.")


def s3_client_of(role_arn: str, region_name: str, job_name: str, endpoint_url: str) -> Any:
    """Return a client of the stand-in's S3 with a session of the role: its policies hold."""
    import boto3
    from botocore.config import Config

    account_id, partition = role_arn.split(":")[4], str(get_partition(region_name))
    session = sts_backends[account_id][partition].assume_role(
        region_name=region_name,
        role_session_name="SageMaker",
        role_arn=role_arn,
        policy="",
        duration=43200,
        external_id="",
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region_name,
        aws_access_key_id=session.access_key_id,
        aws_secret_access_key=session.secret_access_key,
        aws_session_token=session.session_token,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
