from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.deliveries import BUCKET, clear, client_for
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.seaweedfs_process import SeaweedFsProcess


@pytest.fixture(scope="session")
def stand_in() -> Iterator[str]:
    with LocalAwsProcess() as server:
        yield server.endpoint_url


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[str]:
    with SeaweedFsProcess() as server:
        yield server.endpoint_url


@pytest.fixture(params=["stand_in", "seaweedfs"])
def s3_server(request: pytest.FixtureRequest) -> str:
    endpoint_url: str = request.getfixturevalue(request.param)
    return endpoint_url


@pytest.fixture
def s3(s3_server: str) -> Iterator[Any]:
    client = client_for(s3_server)
    client.create_bucket(Bucket=BUCKET)
    yield client
    clear(client)
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small checkpoint: a shard of several parts, a shard of one, and two small files."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "model-00001-of-00002.safetensors").write_bytes(os.urandom(21 * 2**20 + 17))
    (folder / "model-00002-of-00002.safetensors").write_bytes(os.urandom(3 * 2**20))
    (folder / "config.json").write_bytes(b'{"model_type": "mistral"}')
    (folder / "merges.txt").write_bytes(b"")
    return folder
