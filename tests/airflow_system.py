"""A running Airflow beside the stand-in for AWS, and what a test does with them."""

from __future__ import annotations

from typing import Any, NamedTuple

import requests
from rich.console import Console

from include.demo.environment import Environment, aws_client
from include.demo.inventory import Inventory, take_inventory
from include.demo.run_view import follow_run

DAG_ID = "import_capitals"


class System(NamedTuple):
    """The running system and what a person does with it."""

    environment: Environment

    def run(self, **conf: Any) -> dict[str, Any]:
        """Trigger the demo model's DAG and return what its tasks left; raises when the run fails."""
        airflow = self.environment.airflow
        airflow.log_in()
        return follow_run(airflow, DAG_ID, airflow.trigger(DAG_ID, conf), Console())

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
