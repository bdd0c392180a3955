"""Training data in S3 is fetched to the disk, read, and removed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from include.config.account import AccountConfig
from include.evaluation.errors import DatasetNotFoundError
from include.sources.errors import ClientMissingError
from include.training.preparation import Preparation, prepare
from include.training.records import RecordReader, open_training_file
from tests.support.training_data import preparation

ROWS = [{"prompt": f"What is {number} plus {number}?", "completion": str(2 * number)} for number in range(100)]
URI = "s3://data/train.jsonl.gz"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
        client.create_bucket(Bucket="data")
        content = gzip.compress("\n".join(json.dumps(row) for row in ROWS).encode())
        client.put_object(Bucket="data", Key="train.jsonl.gz", Body=content)
        yield client


def test_an_object_is_read_by_ranges_from_a_copy_on_the_disk_that_goes_again(s3: Any, tmp_path: Path) -> None:
    with open_training_file(URI, AccountConfig(), s3, tmp_path) as opened:
        assert [path.name for path in tmp_path.iterdir()] == ["data"]
        assert len(list(RecordReader(opened, "prompt_completion", None))) == 100
    assert list(tmp_path.iterdir()) == []


def test_data_in_s3_is_prepared_as_the_same_data_in_a_folder(s3: Any, tmp_path: Path) -> None:
    local = preparation(tmp_path, ROWS)
    remote = preparation(tmp_path, ROWS, out="remote", data=URI)
    remote = Preparation(remote.config, remote.account, remote.base, remote.out, s3, report=remote.report)
    reports = [prepare(local), prepare(remote)]
    assert reports[0].digest == reports[1].digest
    assert reports[1].data.uri == URI
    assert reports[0].data.sha256 != reports[1].data.sha256


def test_an_object_that_is_not_there_is_refused_by_name(s3: Any, tmp_path: Path) -> None:
    with (
        pytest.raises(DatasetNotFoundError, match=r"s3://data/missing\.jsonl"),
        open_training_file("s3://data/missing.jsonl", AccountConfig(), s3, tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_without_a_client_the_object_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClientMissingError, match=URI), open_training_file(URI, AccountConfig(), None, tmp_path):
        pass
