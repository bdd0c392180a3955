"""A stand-in whose training jobs get one second to stop, and jobs whose entrypoint is a small Python program."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests

from tests.integration.local_aws.conftest import ONCE
from tests.support.local_aws_process import OWN_HEADERS, LocalAwsProcess
from tests.support.training_jobs import request

ACCOUNT = "123456789012"
INSTANCE = "ml.g5.xlarge"
SECONDS = 100.0


class Training:
    """Training jobs in a bucket of their own, with a role that may read and write it."""

    def __init__(self, process: LocalAwsProcess) -> None:
        self._process = process
        self.s3, self.iam, self.sagemaker = (self.client(name) for name in ("s3", "iam", "sagemaker"))
        unique = uuid.uuid4().hex[:12]
        self.bucket, self.role = f"bucket-{unique}", f"role-{unique}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.role_arn = self.make_role(self.role)
        bucket_arn = f"arn:aws:s3:::{self.bucket}"
        self.allow(self.role, ["s3:ListBucket", "s3:GetObject", "s3:PutObject"], [bucket_arn, f"{bucket_arn}/*"])

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self._process.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=ONCE,
        )

    def make_role(self, name: str, principal: str = "sagemaker.amazonaws.com") -> str:
        statement = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return str(self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])

    def allow(self, role: str, actions: list[str], resources: list[str]) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(RoleName=role, PolicyName="job", PolicyDocument=policy)

    def start(self, program: str, name: str = "", **changes: Any) -> str:
        """Create a job that runs a program, and return its name."""
        name = name or f"job-{uuid.uuid4().hex[:12]}"
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}/code/job.py", Body=program.encode())
        place = f"s3://{self.bucket}"
        own = {
            "OutputDataConfig": {"S3OutputPath": f"{place}/output/"},
            "CheckpointConfig": {"S3Uri": f"{place}/checkpoints/{name}"},
        }
        self.sagemaker.create_training_job(**request(name, self.role_arn, f"{place}/{name}", INSTANCE, **own | changes))
        return name

    def wait(self, name: str, secondary: str = "") -> dict[str, Any]:
        """Wait for a secondary status, or for the end; return the job's description."""
        end = time.monotonic() + SECONDS
        while True:
            job: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
            ended = job["TrainingJobStatus"] not in ("InProgress", "Stopping")
            if (secondary and job["SecondaryStatus"] == secondary) or (ended and not secondary):
                return job
            assert not ended, job
            assert time.monotonic() < end, job
            time.sleep(0.05)

    def wait_for_object(self, key: str) -> None:
        end = time.monotonic() + SECONDS
        while "Contents" not in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=key):
            assert time.monotonic() < end, key
            time.sleep(0.05)

    def text(self, key: str) -> str:
        return str(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode())

    def watch(self) -> str:
        """Send what SageMaker tells EventBridge to a queue from now on; return its URL."""
        events, sqs = self.client("events"), self.client("sqs")
        queue: str = sqs.create_queue(QueueName=self.bucket)["QueueUrl"]
        events.put_rule(Name=self.bucket, EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
        target = {"Id": "queue", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{self.bucket}"}
        events.put_targets(Rule=self.bucket, Targets=[target])
        return queue

    def told(self, queue: str, name: str) -> list[dict[str, Any]]:
        """The details of the events about a job that reached the queue, in order."""
        self.client("events").remove_targets(Rule=self.bucket, Ids=["queue"])
        events = []
        while messages := self.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            events += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                self.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [event["detail"] for event in events if event["detail"]["TrainingJobName"] == name]

    def script(self, fault: str, **body: Any) -> None:
        url = f"{self._process.endpoint_url}/_local_aws/training/{fault}"
        requests.post(url, json=body, headers=OWN_HEADERS, timeout=30).raise_for_status()


@pytest.fixture(scope="session")
def training_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    packages = tmp_path_factory.mktemp("packages")
    (packages / "of_the_image.py").write_text("VALUE = 7")
    options = ["--training-stop-seconds", "1", "--training-disk-gb", "0.01", "--training-packages", str(packages)]
    with LocalAwsProcess(options) as process:
        yield process


@pytest.fixture
def training(training_process: LocalAwsProcess) -> Training:
    return Training(training_process)
