from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from include.aws.clients import AwsClients
from include.aws.lease import hold_lease
from include.aws.s3_uri import S3Uri
from include.delivery.transfer import TransferSettings
from include.evaluation.storage import EvaluationPlace, store
from tests.support.deliveries import BUCKET, MANIFEST, PREFIX, checkpoint_of, clear, client_for, deliver
from tests.support.pages import answers, measured
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
    encrypting = AwsClients(lambda _: client_for(stand_in), key).s3
    deliver(encrypting, checkpoint_of(folder))
    evaluation = EvaluationPlace(BUCKET, "evaluations/one")
    report = measured("", answers(lambda *_: True, 0.2)).report
    store(encrypting, evaluation, report, [])
    with hold_lease(encrypting, S3Uri(BUCKET, "lease"), "a test"):
        assert s3.head_object(Bucket=BUCKET, Key="lease")["SSEKMSKeyId"] == key
    written = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert {MANIFEST, *(f"{PREFIX}/{path.name}" for path in folder.iterdir())} < set(written)
    for name in written:
        head = s3.head_object(Bucket=BUCKET, Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_a_limited_link_is_not_used_faster_than_allowed(s3: Any, folder: Path) -> None:
    settings = TransferSettings(part_size=5 * 2**20, bytes_per_second=20 * 2**20)
    report = deliver(s3, checkpoint_of(folder), settings=settings)
    assert report.seconds > (24 - 5) / 20
