"""A running Airflow beside the stand-in for AWS, and what a test does with them."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import requests
from rich.console import Console

from include.demo.airflow_server import AirflowApi
from include.demo.environment import Environment, aws_client
from include.demo.inventory import Inventory, take_inventory
from include.demo.run_view import follow_run

DAG_ID = "import_capitals"


class System(NamedTuple):
    """The running system and what a person does with it."""

    environment: Environment

    def run(self, **conf: Any) -> dict[str, Any]:
        """Trigger the demo model's DAG and return what its tasks left; raises when the run fails."""
        airflow = self.airflow()
        return follow_run(airflow, DAG_ID, airflow.trigger(DAG_ID, conf), Console())

    def run_with_deferred_import(self, **conf: Any) -> dict[str, Any]:
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
        finally:
            self.script_fault("release-imports")
        return follow_run(airflow, DAG_ID, run_id, Console())

    def airflow(self) -> AirflowApi:
        """Return Airflow's REST API, logged in."""
        airflow = self.environment.airflow
        airflow.log_in()
        return airflow

    def inventory(self) -> Inventory:
        """Count what exists on the stand-in."""
        return take_inventory(self.environment)

    def client(self, service: str) -> Any:
        """Return a boto3 client of the stand-in."""
        return aws_client(self.environment.aws_endpoint, service)

    def script_fault(self, name: str, **fault: Any) -> None:
        """Make the stand-in fail in a given way; see include/local_aws/COVERAGE.md."""
        url = f"{self.environment.aws_endpoint}/_local_aws/bedrock/{name}"
        requests.post(url, json=fault, timeout=10).raise_for_status()

    def approved_versions(self) -> list[int]:
        """Return the numbers of the approved versions of the demo model."""
        packages = self.client("sagemaker").list_model_packages(
            ModelPackageGroupName="capitals", ModelApprovalStatus="Approved"
        )
        return [package["ModelPackageVersion"] for package in packages["ModelPackageSummaryList"]]
