"""The same services through aiobotocore, which Airflow's triggers use."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from tests.support.local_aws_process import LocalAwsProcess
from tests.support.s3_requests import DIGESTS, checksum

MIB = 2**20
Client = Any


@pytest.fixture
def run(local_aws: LocalAwsProcess) -> Callable[[str, Callable[[Client], Coroutine[Any, Any, None]]], None]:
    """Return a call that runs a coroutine with an asynchronous client of a service."""

    async def with_client(service: str, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
        session = get_session()
        async with session.create_client(
            service,
            region_name="us-east-1",
            endpoint_url=local_aws.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=AioConfig(retries={"total_max_attempts": 1}),
        ) as client:
            await work(client)

    return lambda service, work: asyncio.run(with_client(service, work))


def test_objects_go_up_in_parts_and_come_back(run: Any, bucket: str) -> None:
    bodies = [os.urandom(5 * MIB), os.urandom(5 * MIB), os.urandom(10)]

    async def work(s3: Client) -> None:
        place = {"Bucket": bucket, "Key": "key"}
        created = await s3.create_multipart_upload(**place, ChecksumAlgorithm="CRC64NVME")
        place["UploadId"] = created["UploadId"]
        answers = await asyncio.gather(
            *(
                s3.upload_part(**place, PartNumber=number, Body=body, ChecksumCRC64NVME=checksum("CRC64NVME", body))
                for number, body in enumerate(bodies, start=1)
            )
        )
        parts = [{"PartNumber": number, "ETag": answer["ETag"]} for number, answer in enumerate(answers, start=1)]
        await s3.complete_multipart_upload(
            **place, MultipartUpload={"Parts": parts}, ChecksumCRC64NVME=checksum("CRC64NVME", b"".join(bodies))
        )
        got = await s3.get_object(Bucket=bucket, Key="key", Range=f"bytes={5 * MIB - 3}-{5 * MIB + 2}")
        async with got["Body"] as stream:
            assert await stream.read() == bodies[0][-3:] + bodies[1][:3]
        head = await s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
        assert head["ChecksumCRC64NVME"] == checksum("CRC64NVME", b"".join(bodies))

    run("s3", work)


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_a_wrong_checksum_is_refused(run: Any, bucket: str, algorithm: str) -> None:
    async def work(s3: Client) -> None:
        given = {f"Checksum{algorithm}": checksum(algorithm, b"other bytes")}
        with pytest.raises(ClientError, match="BadDigest"):
            await s3.put_object(Bucket=bucket, Key="key", Body=b"bytes", **given)
        await s3.put_object(Bucket=bucket, Key="key", Body=b"bytes", ChecksumAlgorithm=algorithm)

    run("s3", work)


def test_a_copy_whose_condition_does_not_hold_is_refused(run: Any, bucket: str) -> None:
    async def work(s3: Client) -> None:
        await s3.put_object(Bucket=bucket, Key="key", Body=b"bytes")
        with pytest.raises(ClientError, match="PreconditionFailed"):
            await s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/key", CopySourceIfMatch='"other"')

    run("s3", work)


def test_versions_are_registered_and_requests_validated(run: Any) -> None:
    async def work(sagemaker: Client) -> None:
        group = f"group-{uuid.uuid4().hex[:8]}"
        await sagemaker.create_model_package_group(ModelPackageGroupName=group)
        arn = (await sagemaker.create_model_package(ModelPackageGroupName=group))["ModelPackageArn"]
        await sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"f1": "1.0"})
        described = await sagemaker.describe_model_package(ModelPackageName=arn)
        assert described["CustomerMetadataProperties"] == {"f1": "1.0"}
        with pytest.raises(ClientError, match="modelPackageGroupName"):
            await sagemaker.create_model_package_group(ModelPackageGroupName="a_b")

    run("sagemaker", work)


@pytest.mark.parametrize("service", ["cloudformation", "cloudwatch", "iam", "kms", "sns", "sqs", "sts"])
def test_every_other_service_of_the_project_answers(run: Any, service: str) -> None:
    calls = {
        "cloudformation": "list_stacks",
        "cloudwatch": "list_metrics",
        "iam": "list_roles",
        "kms": "list_keys",
        "sns": "list_topics",
        "sqs": "list_queues",
        "sts": "get_caller_identity",
    }

    async def work(client: Client) -> None:
        answer = await getattr(client, calls[service])()
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200

    run(service, work)
