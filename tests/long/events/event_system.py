"""A running Airflow with one model that fine-tunes in S3 start, and what lands there."""

from __future__ import annotations

import io
import json
import shutil
import socket
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import yaml

from include.demo.airflow_server import AirflowApi, airflow_environment, start_airflow
from include.demo.environment import (
    STAND_IN_KEY_ID,
    STAND_IN_SECRET,
    aws_client,
    aws_connection,
    deploy_stacks,
    start_stand_in,
)
from include.demo.processes import LOOPBACK, ProcessGroup, inherited_environment
from include.run.workspace import PROJECT_ROOT
from tests.support.training_jobs import end_training_job

MODEL = "landed"
DAG_ID = f"import_{MODEL}"
FOLDER = f"fine-tunes/{MODEL}"
ADAPTERS = PROJECT_ROOT / "include" / "demo" / "adapters"
STAND_IN = ("--import-seconds", "0", "--cold-start-seconds", "0", "--max-imported-models", "100")
QUEUE, DEAD_LETTERS = "model-import-events", "model-import-events-dead"
FINISHED = {"success", "failed"}


class EventSystem(NamedTuple):
    """The running system."""

    endpoint: str
    bucket: str
    queue_url: str
    dead_letter_url: str
    airflow: AirflowApi
    group: ProcessGroup
    env: dict[str, str]

    def client(self, service: str) -> Any:
        """Return a boto3 client of the stand-in."""
        return aws_client(self.endpoint, service)

    def drop(self, name: str, adapter: str = "finished", lora_alpha: float | None = None) -> None:
        """Write an adapter to S3 as peft does, the weights first; another alpha makes it another adapter."""
        s3 = self.client("s3")
        key = f"{FOLDER}/{name}"
        s3.upload_file(
            str(ADAPTERS / adapter / "adapter_model.safetensors"), self.bucket, f"{key}/adapter_model.safetensors"
        )
        config = json.loads((ADAPTERS / adapter / "adapter_config.json").read_text())
        config["lora_alpha"] = lora_alpha or config["lora_alpha"]
        s3.put_object(Bucket=self.bucket, Key=f"{key}/adapter_config.json", Body=json.dumps(config).encode())

    def train(self, name: str, adapter: str = "finished") -> None:
        """End a training job that leaves an adapter in an archive, as SageMaker does."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for path in (ADAPTERS / adapter).iterdir():
                tar.add(path, path.name)
        key = f"training/{name}/output/model.tar.gz"
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=archive.getvalue())
        end_training_job(self.client("sagemaker"), name, f"s3://{self.bucket}/training")

    def kill_triggerer(self) -> None:
        """Kill the triggerer and its child without a chance to clean up."""
        entry = next(entry for entry in self.group.started if entry.name == "triggerer")
        root = psutil.Process(entry.pid)
        for process in [*root.children(recursive=True), root]:
            process.kill()
        self.group.started.remove(entry)

    def start_triggerer(self) -> None:
        """Start a triggerer."""
        self.group.start("triggerer", [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"], self.env)

    def send(self, body: str) -> None:
        """Put a message into the queue."""
        self.client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=body)

    def uri(self, name: str) -> str:
        """Return where ``drop`` puts an adapter."""
        return f"s3://{self.bucket}/{FOLDER}/{name}"

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs of the model's DAG, the oldest first."""
        runs: list[dict[str, Any]] = self.airflow.get(f"/dags/{DAG_ID}/dagRuns", limit=100)["dag_runs"]
        return sorted(runs, key=lambda run: run["queued_at"])

    def versions(self) -> list[dict[str, Any]]:
        """Return the model's registered versions, the oldest first."""
        sagemaker = self.client("sagemaker")
        if not sagemaker.list_model_package_groups(NameContains=MODEL)["ModelPackageGroupSummaryList"]:
            return []
        packages = sagemaker.list_model_packages(ModelPackageGroupName=MODEL, SortOrder="Ascending", MaxResults=100)
        arns = [package["ModelPackageArn"] for package in packages["ModelPackageSummaryList"]]
        return [sagemaker.describe_model_package(ModelPackageName=arn) for arn in arns]

    def champion_adapter(self) -> str | None:
        """Return the adapter of the newest approved version."""
        approved = [version for version in self.versions() if version["ModelApprovalStatus"] == "Approved"]
        return approved[-1]["CustomerMetadataProperties"]["adapter"] if approved else None

    def imported_fingerprints(self) -> list[str]:
        """Return the fingerprint of every import job that was ever made, repeated ones repeated."""
        bedrock = self.client("bedrock")
        jobs = bedrock.list_model_import_jobs(maxResults=100)["modelImportJobSummaries"]
        tags = [bedrock.list_tags_for_resource(resourceARN=job["jobArn"])["tags"] for job in jobs]
        return [next(tag["value"] for tag in found if tag["key"] == "fingerprint") for found in tags]

    def states(self, run: dict[str, Any]) -> dict[str, str]:
        """Return the state of each task of a run."""
        instances = self.airflow.get(f"/dags/{DAG_ID}/dagRuns/{run['dag_run_id']}/taskInstances")["task_instances"]
        return {instance["task_id"]: instance["state"] for instance in instances}

    def messages(self, url: str) -> int:
        """Return how many messages a queue holds, the invisible ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(value) for value in attributes.values())

    def wait_for_rest(self, timeout: float = 900.0) -> None:
        """Return when the queue is empty, no run goes on, and neither begins within some seconds."""
        deadline, calm_since = time.monotonic() + timeout, None
        while calm_since is None or time.monotonic() - calm_since < 6:
            assert time.monotonic() < deadline, self.runs()
            busy = self.messages(self.queue_url) or any(run["state"] not in FINISHED for run in self.runs())
            calm_since = None if busy else calm_since or time.monotonic()
            time.sleep(0.5)


def _make_queue(endpoint: str, bucket: str) -> tuple[str, str]:
    """Make queue and dead-letter queue, and let the bucket send its notifications there, in both ways."""
    sqs, s3, events = (aws_client(endpoint, name) for name in ("sqs", "s3", "events"))
    dead = sqs.create_queue(QueueName=DEAD_LETTERS)["QueueUrl"]
    arns = {"AttributeNames": ["QueueArn"]}
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, **arns)["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 3})
    queue = sqs.create_queue(QueueName=QUEUE, Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, **arns)["Attributes"]["QueueArn"]
    filters = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "fine-tunes/"}]}}
    direct = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": filters}
    configuration: dict[str, Any] = {"QueueConfigurations": [direct], "EventBridgeConfiguration": {}}
    written = {"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "fine-tunes/"}]}}}
    trained = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Training Job State Change"]}
    for name, pattern in (("written", written), ("trained", trained)):
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    return queue, dead


def _write_dags(folder: Path, bucket: str, queue_url: str) -> Path:
    shutil.copytree(PROJECT_ROOT / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    model = yaml.safe_load((folder / "models" / "capitals.yaml").read_text())
    model |= {
        "model_name": MODEL,
        "schedule": {
            "events": {
                "s3": f"s3://{bucket}/{FOLDER}",
                "queue_url": queue_url,
                "training_jobs": f"{MODEL}-*",
                "settle_seconds": 2,
            }
        },
        "retention": {"keep": 50},
    }
    (folder / "models" / "landed.yaml").write_text(yaml.safe_dump(model))
    return folder


def start(folder: Path, group: ProcessGroup) -> EventSystem:
    """Start the stand-in and Airflow; the bucket tells the queue twice of everything, directly and by EventBridge."""
    folder.mkdir(parents=True, exist_ok=True)
    endpoint = start_stand_in(group, 0, *STAND_IN)
    variables = deploy_stacks(endpoint)
    bucket = variables["bucket"]
    queue, dead = _make_queue(endpoint, bucket)
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    variables["workspace"] = str(folder / "workspace")
    env = inherited_environment() | airflow_environment(
        folder / "airflow", port, aws_connection(endpoint, STAND_IN_KEY_ID, STAND_IN_SECRET), variables
    )
    env["AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC"] = "2"
    env["AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD"] = "10"
    env["AIRFLOW__CORE__DAGS_FOLDER"] = str(_write_dags(folder / "dags", bucket, queue))
    airflow = AirflowApi(env["AIRFLOW__API__BASE_URL"], start_airflow(group, env, port))
    airflow.wait_until_ready(DAG_ID, group)
    return EventSystem(endpoint, bucket, queue, dead, airflow, group, env)
