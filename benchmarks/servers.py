"""The servers that the benchmarks talk to, each a process on loopback: the stand-in for AWS, and SeaweedFS."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import requests

from include.demo.environment import (
    REGION,
    STAND_IN_KEY_ID,
    STAND_IN_PORT,
    STAND_IN_SECRET,
    deploy_stacks,
    start_stand_in,
)
from include.demo.processes import LOOPBACK, ProcessGroup, free_port, inherited_environment
from include.run.workspace import PROJECT_ROOT

#: What SeaweedFS accepts; the stand-in accepts any.
ACCESS_KEY, SECRET_KEY = "testing", "testing-secret"
READY_SECONDS = 60.0
_SEAWEEDFS_PORTS = {"s3": 8333, "master": 9333, "filer": 8888, "volume": 9340, "admin": 23646}


@contextmanager
def _processes() -> Iterator[tuple[ProcessGroup, Path]]:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        group = ProcessGroup(Path(folder) / "processes")
        try:
            yield group, Path(folder)
        finally:
            group.stop()


@contextmanager
def seaweedfs() -> Iterator[str]:
    """Run SeaweedFS and return the address of its S3."""
    ports = {name: free_port(port)[0] for name, port in _SEAWEEDFS_PORTS.items()}
    with _processes() as (group, folder):
        program = shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"
        options = [f"-dir={folder}", f"-ip={LOOPBACK}", "-admin.ui=false", "-webdav=false"]
        command = [program, "mini", *options, *(f"-{name}.port={port}" for name, port in ports.items())]
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        group.start("seaweedfs", command, inherited_environment() | keys)
        endpoint_url = f"http://{LOOPBACK}:{ports['s3']}"
        wait_for_answer(f"{endpoint_url}/status", group)
        yield endpoint_url


def wait_for_answer(url: str, group: ProcessGroup) -> None:
    """Wait until a server answers; raises ProcessDiedError, and TimeoutError after READY_SECONDS."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        group.check()
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    raise TimeoutError(f"no answer from {url} within {READY_SECONDS:.0f} s")


class StandIn(NamedTuple):
    """A stand-in on which the project's stacks are deployed, with the demo's base model in their bucket."""

    endpoint_url: str
    role_arn: str
    model_uri: str

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of the root user; ``options`` are boto3's."""
        session = boto3.Session(STAND_IN_KEY_ID, STAND_IN_SECRET, region_name=REGION)
        return session.client(service, endpoint_url=self.endpoint_url, **options)

    def script(self, fault: str, **body: Any) -> None:
        """Make the stand-in fail in a given way; see include/local_aws/COVERAGE.md."""
        url = f"{self.endpoint_url}/_local_aws/bedrock/{fault}"
        requests.post(url, json=body, headers={"X-Local-Aws": "benchmarks"}, timeout=10).raise_for_status()

    def create_job(self, name: str) -> str:
        """Start an import of the model and return the job's ARN."""
        job = self.client("bedrock").create_model_import_job(
            jobName=name,
            importedModelName=name,
            roleArn=self.role_arn,
            modelDataSource={"s3DataSource": {"s3Uri": self.model_uri}},
        )
        return str(job["jobArn"])


@contextmanager
def stand_in(*options: str) -> Iterator[str]:
    """Run the stand-in for AWS with these options and return its address."""
    with _processes() as (group, _):
        yield start_stand_in(group, free_port(STAND_IN_PORT)[0], *options)


@contextmanager
def stand_in_with_model(*options: str) -> Iterator[StandIn]:
    """Run the stand-in for AWS with a model that can be imported."""
    with stand_in(*options) as endpoint_url:
        stack = deploy_stacks(endpoint_url)
        aws = StandIn(endpoint_url, stack["role_arn"], f"s3://{stack['bucket']}/{stack['prefix']}/base/")
        s3 = aws.client("s3")
        for path in sorted((PROJECT_ROOT / "include/demo/base").iterdir()):
            s3.upload_file(str(path), stack["bucket"], f"{stack['prefix']}/base/{path.name}")
        yield aws
