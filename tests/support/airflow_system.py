"""A running Airflow beside the stand-in for AWS, and what a test does with them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import requests
from rich.console import Console

from include.demo.airflow_server import USER, AirflowApi
from include.demo.environment import Environment, aws_client
from include.demo.inventory import Inventory, take_inventory
from include.demo.run_view import follow_run
from tests.support.local_aws_process import OWN_HEADERS

DAG_ID = "import_capitals"
#: The DAG of the model in docs/data-scientist.md.
DOCUMENTED_DAG_ID = "import_documented"
NOTICES = "notices-of-tests"


class System(NamedTuple):
    """The running system and what a person does with it."""

    environment: Environment
    #: Id and secret of the access key that Airflow uses.
    keys: tuple[str, str] = ("", "")

    def run(self, **conf: Any) -> dict[str, Any]:
        """Trigger the demo model's DAG and return what its tasks left; raises when the run fails."""
        airflow = self.airflow()
        return follow_run(airflow, DAG_ID, airflow.trigger(DAG_ID, conf), Console())

    def run_with_deferred_import(
        self, while_deferred: Callable[[], None] = lambda: None, **conf: Any
    ) -> dict[str, Any]:
        """Do a run whose import goes on until the task that waits for it has been handed to the triggerer."""
        self.script_fault("hold-imports")
        airflow = self.airflow()
        run_id = airflow.trigger(DAG_ID, conf)
        path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/wait_for_import"
        try:
            deadline = time.monotonic() + 180
            while (state := airflow.get(path)["state"]) != "deferred":
                if time.monotonic() > deadline or state in ("failed", "upstream_failed", "success"):
                    raise AssertionError(f"wait_for_import was never deferred: {state}")
                time.sleep(0.2)
            while_deferred()
        finally:
            self.script_fault("release-imports")
        return follow_run(airflow, DAG_ID, run_id, Console())

    def airflow(self) -> AirflowApi:
        """Return Airflow's REST API, logged in."""
        airflow = self.environment.airflow
        airflow.log_in()
        return airflow

    def change(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Send a PATCH or DELETE request to Airflow's REST API."""
        url, credentials = self.environment.ui_url, {"username": USER, "password": self.environment.password}
        token = requests.post(f"{url}/auth/token", json=credentials, timeout=30).json()["access_token"]
        header = {"Authorization": f"Bearer {token}"}
        requests.request(method, f"{url}/api/v2{path}", json=body, headers=header, timeout=60).raise_for_status()

    def inventory(self) -> Inventory:
        """Count what exists on the stand-in."""
        return take_inventory(self.environment)

    def client(self, service: str) -> Any:
        """Return a boto3 client of the stand-in."""
        return aws_client(self.environment.aws_endpoint, service)

    def script_fault(self, name: str, **fault: Any) -> None:
        """Make the stand-in fail in a given way; see include/local_aws/COVERAGE.md."""
        url = f"{self.environment.aws_endpoint}/_local_aws/bedrock/{name}"
        requests.post(url, json=fault, headers=OWN_HEADERS, timeout=10).raise_for_status()

    def approved_versions(self) -> list[int]:
        """Return the numbers of the approved versions of the demo model."""
        packages = self.client("sagemaker").list_model_packages(
            ModelPackageGroupName="capitals", ModelApprovalStatus="Approved"
        )
        return [package["ModelPackageVersion"] for package in packages["ModelPackageSummaryList"]]

    def listen(self) -> None:
        """Subscribe a queue to the topic that the run's notices go to."""
        sqs, sns = self.client("sqs"), self.client("sns")
        url = sqs.create_queue(QueueName=NOTICES)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        [topic] = sns.list_topics()["Topics"]
        sns.subscribe(TopicArn=topic["TopicArn"], Protocol="sqs", Endpoint=arn)

    def notices(self) -> list[dict[str, str]]:
        """Return the notices since the last time, each with Subject and Message."""
        sqs, found = self.client("sqs"), []
        url = sqs.get_queue_url(QueueName=NOTICES)["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found

    def clear(self, run_id: str, task_id: str) -> str:
        """Clear a task of a run and return the state in which it ends this time."""
        airflow = self.airflow()
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "only_failed": False}
        airflow.post(f"/dags/{DAG_ID}/clearTaskInstances", body)
        path = f"/dags/{DAG_ID}/dagRuns/{run_id}"
        deadline = time.monotonic() + 180
        while (state := airflow.get(path)["state"]) not in ("success", "failed"):
            if time.monotonic() > deadline:
                raise AssertionError(f"{run_id} did not end after {task_id} was cleared: {state}")
            time.sleep(0.5)
        return str(airflow.get(f"{path}/taskInstances/{task_id}")["state"])

    def latest_run(self) -> str:
        """Return the id of the run that was started last."""
        [run] = self.airflow().get(f"/dags/{DAG_ID}/dagRuns", order_by="-run_after", limit=1)["dag_runs"]
        return str(run["dag_run_id"])
