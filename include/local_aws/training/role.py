"""Whether SageMaker may assume the role of a training job."""

from __future__ import annotations

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

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
