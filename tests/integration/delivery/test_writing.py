from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from include.delivery.transfer import TransferSettings
from tests.support.deliveries import BUCKET, MANIFEST, PREFIX, checkpoint_of, clear, client_for, deliver
from tests.support.seaweedfs_process import ACCESS_KEY, SECRET_KEY


@pytest.fixture
def s3(stand_in: str) -> Any:
    client = client_for(stand_in)
    client.create_bucket(Bucket=BUCKET)
    yield client
    clear(client)
    client.delete_bucket(Bucket=BUCKET)


def test_every_object_is_encrypted_with_the_given_key(s3: Any, stand_in: str, folder: Path) -> None:
    kms = boto3.client(
        "kms",
        endpoint_url=stand_in,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    key = kms.create_key()["KeyMetadata"]["Arn"]
    deliver(s3, checkpoint_of(folder), kms_key_id=key)
    for name in [MANIFEST, *(f"{PREFIX}/{path.name}" for path in folder.iterdir())]:
        head = s3.head_object(Bucket=BUCKET, Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_a_limited_link_is_not_used_faster_than_allowed(s3: Any, folder: Path) -> None:
    settings = TransferSettings(part_size=5 * 2**20, bytes_per_second=20 * 2**20)
    report = deliver(s3, checkpoint_of(folder), settings=settings)
    assert report.seconds > (24 - 5) / 20
