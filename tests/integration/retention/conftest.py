"""A stand-in with room for four imported models, and models that this project imported into it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.aws.clients import AwsClients
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import ApprovalStatus, Candidate, ModelVersion
from include.run.identity import ImportIdentity
from include.run.names import import_names
from tests.support.bedrock_stand_in import BUCKET, Aws
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.tiny_mistral import save_tiny_mistral

QUOTA = 4


class Imports:
    """What a test imported, by the labels it gave."""

    def __init__(self, aws: Aws, checkpoint: Path, group: str) -> None:
        self.aws, self.checkpoint, self.group = aws, checkpoint, group
        self.arns: dict[str, str] = {}
        self.registry = SageMakerRegistry(aws.client("sagemaker"))
        self.clients = AwsClients(aws.client)

    @property
    def now(self) -> datetime:
        """A moment at which all that is imported is some days old."""
        return datetime.now(UTC) + timedelta(days=30)

    def names(self, label: str) -> Any:
        fingerprint = hashlib.sha256(f"{self.group}/{label}".encode()).hexdigest()
        return import_names(self.group, ImportIdentity(fingerprint, fingerprint), BUCKET, "models")

    def add(self, *labels: str, **tags: str) -> None:
        """Upload and import a model for each label, as a run does; each is newer than the one before."""
        for label in labels:
            names = self.names(label)
            prefix = names.s3_uri.removeprefix(f"s3://{BUCKET}/").rstrip("/")
            self.aws.upload(self.checkpoint, prefix)
            self.aws.client("s3").put_object(Bucket=BUCKET, Key=names.manifest_key, Body=b"{}")
            every = {"model_name": self.group, "fingerprint": names.fingerprint, **tags}
            listed = [{"key": key, "value": value} for key, value in every.items()]
            self.arns[label] = self.aws.import_model(
                names.s3_uri, names.imported_model_name, jobTags=listed, importedModelTags=listed
            )
            time.sleep(0.01)

    def register(self, label: str, status: ApprovalStatus) -> ModelVersion:
        candidate = Candidate(
            group=self.group, description="", fingerprint=self.names(label).fingerprint,
            imported_model_arn=self.arns[label], scores={"f1": 0.9}, dataset_digest="d", status=status,
            report_uri=f"s3://{BUCKET}/report.json",
            provenance={"model_name": self.group, "s3_uri": self.names(label).s3_uri},
        )  # fmt: skip
        return self.registry.register(candidate)

    def approve(self, *labels: str) -> None:
        """Import a model for each label and register it as approved; the last one is the champion."""
        for label in labels:
            self.add(label)
            self.register(label, "Approved")

    def left(self) -> set[str]:
        """The labels of the models that are still imported."""
        listed = self.aws.client("bedrock").list_imported_models()["modelSummaries"]
        arns = {model["modelArn"] for model in listed}
        return {label for label, arn in self.arns.items() if arn in arns}

    def keys(self, label: str) -> list[str]:
        root = self.names(label).manifest_key.removesuffix("manifest.json")
        found = self.aws.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=root)
        return sorted(item["Key"].removeprefix(root) for item in found.get("Contents", []))


@pytest.fixture(scope="session")
def stand_in() -> Iterator[Aws]:
    with LocalAwsProcess(("--import-seconds", "0", "--max-imported-models", str(QUOTA))) as process:
        aws = Aws(process.endpoint_url)
        aws.client("s3").create_bucket(Bucket=BUCKET)
        aws.create_role("import")
        yield aws


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_mistral(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def imports(stand_in: Aws, checkpoint: Path, request: pytest.FixtureRequest) -> Iterator[Imports]:
    """A group of the test's own; nothing of it is left behind."""
    group = "g" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    yield Imports(stand_in, checkpoint, group)
    stand_in.script("clear-faults")
    bedrock = stand_in.client("bedrock")
    for model in bedrock.list_imported_models()["modelSummaries"]:
        bedrock.delete_imported_model(modelIdentifier=model["modelArn"])
