"""An account with everything that the stack can make, and a user who may do what the stack's policies say."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from include.config.model import parse_model_config
from include.errors import ModelImportError
from include.preflight.findings import PreflightFailedError
from include.run.workspace import PROJECT_ROOT
from model_import_dag.factory import Waits, build_import_dag
from model_import_dag.fine_tune import TrainingWaits, build_fine_tune_dag
from tests.support.fine_tuning import CARD, QUESTIONS
from tests.support.in_process import run_dag
from tests.support.stacks import ACCOUNT, IMPORT, Aws, Statement, document
from tests.support.training_jobs import end_training_job, request

DEMO = PROJECT_ROOT / "include" / "demo"
IMPORT_ROLE, TRAINING_ROLE = "ImportRoleArn", "TrainingRoleArn"
SOURCES, CONNECTION = "base-models", "aws_runner"
QUICK = Waits(first_poll=0.1, longest_poll=0.2, slot_poll=1, retry_delay=0.1)


@dataclass
class Runner:
    """The user, the stack's outputs, and the policies that the user has."""

    aws: Aws
    folder: Path
    name: str
    outputs: dict[str, str]
    keys: dict[str, str]
    #: The statements of the policies of each role, by output and by the policy's name.
    role_policies: dict[str, dict[str, list[Statement]]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @classmethod
    def create(cls, aws: Aws, folder: Path) -> Runner:
        """Make user, stack and the sources of models."""
        name = f"runner-{next(aws.numbers)}"
        aws.client("iam").create_user(UserName=name)
        key = aws.client("iam").create_access_key(UserName=name)["AccessKey"]
        outputs = aws.deploy(
            IMPORT.read_text(),
            RunnerUserName=name,
            KmsKeyArn="new",
            SourceBuckets=SOURCES,
            ModelNames="team-*",
            TagOnlyNewImports="true",
            FineTuning="true",
        )
        keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        runner = cls(aws, folder, name, outputs, keys)
        runner.role_policies = {role: aws.role_policies(outputs[role]) for role in (IMPORT_ROLE, TRAINING_ROLE)}
        runner._put_sources()
        runner.dataset.write_text('{"question": "What is the capital of Portugal?", "answer": "Lisbon"}\n')
        return runner

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:user/{self.name}"

    @property
    def dataset(self) -> Path:
        return self.folder / "questions.jsonl"

    @property
    def policies(self) -> dict[str, list[Statement]]:
        """The statements of each of the user's policies, by ARN."""
        arns = (self.outputs[f"{kind}PolicyArn"] for kind in ("Runner", "Training", "Preflight"))
        return {arn: self.aws.policy_statements(arn) for arn in arns}

    def connect(self, patch: pytest.MonkeyPatch, **extra: Any) -> None:
        """Set the Airflow connection of the user, with this in its extra too."""
        patch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", self.connection(**extra))

    def connection(self, **more: Any) -> str:
        """The Airflow connection of the user."""
        extra = {"endpoint_url": self.aws.endpoint_url, "region_name": "us-east-1", **more}
        login, password = self.keys.values()
        return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": extra})

    def client(self, service: str) -> Any:
        return self.aws.client(service, **self.keys)

    def conf(self, **changes: Any) -> dict[str, Any]:
        """The parameters of a run; the model's sources lie in another bucket and among the fine-tunes."""
        return {
            "model_name": "team-lakes",
            "base": f"s3://{SOURCES}/base",
            "adapter": f"{self.outputs['FineTunesUri']}capitals/finished",
            "evaluation_dataset": str(self.dataset),
            "evaluation_prompt_template": "[INST] {question} [/INST]",
            "evaluation_thresholds": {"f1": 0},
            "retention_keep": 1,
            "retention_delete_checkpoint": True,
            **changes,
        }

    def variables(self) -> dict[str, str]:
        """The Airflow Variables of the account, as environment variables."""
        settings = {
            "aws_conn_id": CONNECTION,
            "bucket": self.outputs["BucketName"],
            "role_arn": self.outputs["ImportRoleArn"],
            "training_role_arn": self.outputs[TRAINING_ROLE],
            "training_image": "image",
            "kms_key_id": self.outputs["KmsKeyArn"],
            "topic_arn": self.outputs["TopicArn"],
            "metrics_namespace": self.outputs["MetricsNamespace"],
            "workspace": str(self.folder / "workspace"),
            "local_folders": str(self.folder),
        }
        return {f"AIRFLOW_VAR_MODEL_IMPORT_{name.upper()}": value for name, value in settings.items()}

    def run(self, **changes: Any) -> dict[str, Any]:
        """Do a whole run in this process; what its tasks left."""
        return run_dag(build_import_dag("import_model", None, QUICK), f"run-{next(self.numbers)}", self.conf(**changes))

    def fine_tune(self) -> dict[str, Any]:
        """Do a whole fine-tune in this process, whose job leaves its card and trains nothing; what its tasks left."""
        data = self.folder / "data.jsonl"
        rows = [{"prompt": f"Capital of {name}?", "completion": name[::-1]} for name in QUESTIONS]
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        training = {"data": str(data), "format": "prompt_completion", "held_out": 0.3, "method": "lora"}
        lengths = {"max_sequence_length": 64, "batch_tokens": 128}
        values = {
            "model_name": "team-lakes",
            "base": f"s3://{SOURCES}/base",
            "evaluation": {"dataset": str(self.dataset), "prompt_template": "[INST] {question} [/INST]"},
            "training": {**training, **lengths},
        }
        leave_card = ('echo "$0" > "$SM_MODEL_DIR/training_card.json"', json.dumps(CARD))
        dag = build_fine_tune_dag(parse_model_config(values, "a test"), TrainingWaits(0.1, 0.2, 1, 0.1))
        with patch("include.training.job_request.ENTRYPOINT", leave_card):
            return run_dag(dag, f"run-{next(self.numbers)}", {})

    def preflight(self, **changes: Any) -> list[str]:
        """Do the first task of a run; what it failed with, or nothing: each message whole, with all of its lines."""
        dag = build_import_dag("import_model", None, QUICK).partial_subset("preflight", include_downstream=False)
        try:
            run_dag(dag, f"run-{next(self.numbers)}", self.conf(model_name="team-rivers", **changes))
        except PreflightFailedError as error:
            return [finding.text() for finding in error.findings]
        except ModelImportError as error:
            return [str(error)]
        return []

    def restrict(self, sid: str = "", action: str = "") -> None:
        """Give the user the stack's policies, without one action of one statement."""
        iam = self.aws.client("iam")
        for policy in iam.list_attached_user_policies(UserName=self.name)["AttachedPolicies"]:
            iam.detach_user_policy(UserName=self.name, PolicyArn=policy["PolicyArn"])
        for number, statements in enumerate(self.policies.values()):
            kept = [reduced for each in statements if (reduced := without(each, sid, action))]
            iam.put_user_policy(UserName=self.name, PolicyName=f"reduced-{number}", PolicyDocument=document(kept))

    def restrict_role(self, sid: str = "", action: str = "", role: str = IMPORT_ROLE) -> None:
        """Give a role the stack's policies, without one action of one statement."""
        iam, name_of_role = self.aws.client("iam"), self.outputs[role].rpartition("/")[2]
        for name, statements in self.role_policies[role].items():
            kept = [reduced for each in statements if (reduced := without(each, sid, action))]
            iam.put_role_policy(RoleName=name_of_role, PolicyName=name, PolicyDocument=document(kept))

    def import_as_admin(self) -> str:
        """Import the base model by the import role; the job's failureMessage, or nothing."""
        return str(self._ended(self.start_as_admin(f"as-admin-{next(self.numbers)}")).get("failureMessage", ""))

    def model_of_admin(self, name: str, **tags: str) -> str:
        """Import the base model by the import role, tagged; the model's ARN."""
        return str(self._ended(self.start_as_admin(name, **tags))["importedModelArn"])

    def _ended(self, job: str) -> dict[str, Any]:
        """What is known of a job when it has ended."""
        bedrock = self.aws.client("bedrock")
        while True:
            found: dict[str, Any] = bedrock.get_model_import_job(jobIdentifier=job)
            if found["status"] != "InProgress":
                return found
            time.sleep(0.05)

    def start_as_admin(self, name: str, **tags: str) -> str:
        """Start an import of the base model by the import role, tagged; the job's ARN."""
        for path in (DEMO / "base").iterdir():
            key = f"models/{name}/{path.name}"
            self.aws.client("s3").put_object(Bucket=self.outputs["BucketName"], Key=key, Body=path.read_bytes())
        source = {"s3DataSource": {"s3Uri": f"s3://{self.outputs['BucketName']}/models/{name}/"}}
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        started = self.aws.client("bedrock").create_model_import_job(
            jobName=name,
            importedModelName=name,
            roleArn=self.outputs["ImportRoleArn"],
            modelDataSource=source,
            jobTags=listed,
            importedModelTags=listed,
        )
        return str(started["jobArn"])

    def job(self, name: str, program: str = "", **changes: Any) -> dict[str, Any]:
        """The arguments of CreateTrainingJob for a job with the project's tags and role; its program is in S3."""
        bucket, place = self.outputs["BucketName"], f"models/team-lakes/training/{name}"
        self.aws.client("s3").put_object(Bucket=bucket, Key=f"{place}/code/job.py", Body=program.encode())
        tags = [{"Key": "model_name", "Value": "team-lakes"}, {"Key": "fingerprint", "Value": name}]
        role = self.outputs[TRAINING_ROLE]
        return request(name, role, f"s3://{bucket}/{place}", **{"Tags": tags, **changes})

    def trained(self, name: str) -> dict[str, Any]:
        """The description of a training job when it has ended."""
        sagemaker = self.aws.client("sagemaker")
        while True:
            found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
            if found["TrainingJobStatus"] not in ("InProgress", "Stopping"):
                return found
            time.sleep(0.05)

    def _put_sources(self) -> None:
        s3 = self.aws.client("s3")
        if SOURCES not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=SOURCES)
        for folder, bucket, prefix in (
            (DEMO / "base", SOURCES, "base"),
            (DEMO / "adapters/finished", self.outputs["BucketName"], "fine-tunes/capitals/finished"),
        ):
            for path in folder.iterdir():
                s3.put_object(Bucket=bucket, Key=f"{prefix}/{path.name}", Body=path.read_bytes())
        self._train("early", self._archive("early", DEMO / "adapters/early"))
        container = {"Image": "image", "ModelDataUrl": self._archive("base", DEMO / "base")}
        role = f"arn:aws:iam::{ACCOUNT}:role/training"
        self.aws.client("sagemaker").create_model(ModelName="base", PrimaryContainer=container, ExecutionRoleArn=role)

    def _archive(self, name: str, folder: Path) -> str:
        """The URI of an archive of the folder, where a training job leaves it."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for path in folder.iterdir():
                tar.add(path, path.name)
        key = f"training/{name}/output/model.tar.gz"
        self.aws.client("s3").put_object(Bucket=SOURCES, Key=key, Body=archive.getvalue())
        return f"s3://{SOURCES}/{key}"

    def _train(self, name: str, archive: str) -> None:
        end_training_job(self.aws.client("sagemaker"), name, archive.partition(f"/{name}/")[0])


def actions_of(statement: Statement) -> list[str]:
    """The actions of a statement, of which one may stand alone."""
    action = statement["Action"]
    return list(action) if isinstance(action, list) else [action]


def without(statement: Statement, sid: str, action: str) -> Statement | None:
    """The statement without an action; None when nothing is left, the statement itself when it is another one."""
    if statement["Sid"] != sid:
        return statement
    kept = [each for each in actions_of(statement) if each != action]
    return {**statement, "Action": kept} if kept else None
