"""A client of the stand-in's own S3 with a session of the role that a job has."""

from __future__ import annotations

from typing import Any

from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition


def s3_client_of(role_arn: str, region_name: str, session_name: str, endpoint_url: str) -> Any:
    """Return a client of the stand-in's S3 with a session of the role: its policies hold."""
    import boto3
    from botocore.config import Config

    account_id, partition = role_arn.split(":")[4], str(get_partition(region_name))
    session = sts_backends[account_id][partition].assume_role(
        region_name=region_name,
        role_session_name=session_name,
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
