"""An account on the stand-in that fine-tunes the demo's base, without Airflow."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

from include.aws.clients import AwsClients
from include.config.model import ModelConfig, parse_model_config
from include.preflight.training_permissions import TrainingTarget
from include.preflight.training_role import training_trust
from include.run.workspace import run_workspace
from include.steps.plan_training import make_training_plan
from include.training.plan import TrainingPlan

ACCOUNT, REGION = "123456789012", "us-east-1"
ADMIN = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
QUESTIONS = ("France", "Peru", "Chad", "Fiji", "Oman", "Cuba", "Mali", "Togo", "Laos", "Iran", "Iraq", "Niue")
#: What the training script leaves, of a training of two steps.
CARD = {
    "steps": 2,
    "seconds": 6.0,
    "settings": {"epochs": 1.0, "method": "lora"},
    "versions": {"torch": "2.13.0"},
    "data": {"tokens": 120},
    "losses": {"train": [[1, 2.5], [2, 1.5]], "held_out": [[0, 3.0], [1, 2.4], [2, 1.6]]},
}
#: An entrypoint that leaves the card, which is in the channel of the script, and needs no torch.
LEAVE_CARD = 'cp "$SM_CHANNEL_CODE/card.json" "$SM_MODEL_DIR/training_card.json"'


class FineTuning:
    """A bucket, a role for training jobs, a few examples, and a model's configuration; `folder` is private."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint, self.folder = endpoint, folder
        unique = uuid.uuid4().hex[:12]
        self.bucket, self.role = f"fine-tunes-{unique}", f"training-{unique}"
        self.role_arn = f"arn:aws:iam::{ACCOUNT}:role/{self.role}"
        self.clients = AwsClients(lambda name: boto3.client(name, endpoint_url=endpoint, region_name=REGION, **ADMIN))
        self.data = folder / "data.jsonl"
        self.write_data(f"Capital of {name}?" for name in QUESTIONS)
        self.values: dict[str, Any] = {
            "model_name": f"m-{unique[:6]}",
            "base": "include/demo/base",
            "evaluation": {
                "dataset": "include/demo/capitals_eval.jsonl",
                "prompt_template": "[INST] {question} [/INST]",
            },
            "training": {
                "data": str(self.data),
                "format": "prompt_completion",
                "held_out": 0.3,
                "max_sequence_length": 64,
                "batch_tokens": 128,
                "method": "lora",
            },
            "account": {
                "bucket": self.bucket,
                "training_role_arn": self.role_arn,
                "training_image": "image",
                "workspace": str(folder / "workspace"),
                "local_folders": tempfile.gettempdir(),
            },
        }

    def act_as(self, key_id: str, secret: str) -> None:
        """Have the run's credentials be this access key."""
        keys = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}
        endpoint = self.endpoint
        self.clients = AwsClients(lambda name: boto3.client(name, endpoint_url=endpoint, region_name=REGION, **keys))

    def create(self) -> FineTuning:
        """Make the bucket and the role."""
        self.clients.s3.create_bucket(Bucket=self.bucket)
        target = TrainingTarget("aws", REGION, ACCOUNT, self.bucket, "models", "any", self.role_arn)
        self.trust(training_trust(target).statement)
        arn = f"arn:aws:s3:::{self.bucket}"
        allowed = {"Effect": "Allow", "Action": ["s3:*"], "Resource": [arn, f"{arn}/*"]}
        self.clients.iam.put_role_policy(RoleName=self.role, PolicyName="job", PolicyDocument=_policy(allowed))
        return self

    def trust(self, statement: Mapping[str, Any]) -> None:
        """Make the role, with this trust policy."""
        self.clients.iam.create_role(RoleName=self.role, AssumeRolePolicyDocument=_policy(statement))

    def write_data(self, questions: Any) -> None:
        """Write training data with these questions."""
        rows = [{"prompt": question, "completion": question[::-1]} for question in questions]
        self.data.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def put_card(self, plan: TrainingPlan) -> None:
        """Put the card where LEAVE_CARD finds it."""
        key = f"{plan.prefix}/code/card.json"
        self.clients.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(CARD).encode())

    @property
    def config(self) -> ModelConfig:
        """The model's configuration, as `values` are now."""
        return parse_model_config(self.values, "a test")

    def plan(self, run: str = "run-1") -> TrainingPlan:
        """Return the plan of a run."""
        workspace = run_workspace(self.values["account"]["workspace"], "fine_tune", run)
        provenance = {"dag_id": "fine_tune", "dag_run_id": run}
        return make_training_plan(self.config, self.clients, workspace, provenance)


def _policy(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [dict(statement)]})
