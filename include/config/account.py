"""The settings of an AWS account, and where each comes from: a model's file, or the Airflow Variables."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import ConfigDict, Field, field_validator

from include.aws.s3_uri import S3Uri, is_s3_uri
from include.config.names import ROLE_ARN, SHORT_FINGERPRINT
from include.config.parsing import parse
from include.config.part import Part, Text

VARIABLE_PREFIX = "model_import_"
#: The fields of which an AWS client is made.
CONNECTION_FIELDS = ("aws_conn_id", "region_name")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME = re.compile(r"[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]")
_WORKSPACE_PREFIX = re.compile(r"[-_.a-zA-Z0-9]+(/[-_.a-zA-Z0-9]+)*")
_SOURCE = f"the account's settings (Airflow Variables {VARIABLE_PREFIX}*, or account in the model's file)"


class ConnectionSettings(NamedTuple):
    """The settings of AWS clients: an Airflow connection, its region (None: the connection's own) and a KMS key."""

    aws_conn_id: str
    region_name: str | None
    kms_key_id: str | None = None


def default_workspace() -> str:
    """Return a folder beside Airflow's own files: git-sync and bundles replace the project's folder.

    It is also the scratch space of a worker whose workspace is in S3.
    """
    home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
    return str(Path(home).expanduser() / "model-import-workspace")


class AccountConfig(Part):
    """What belongs to an AWS account: Airflow Variables `model_import_*`, or a model's file where it differs."""

    model_config = ConfigDict(str_strip_whitespace=True)

    aws_conn_id: Text = Field(default="aws_default", description="Airflow connection with the AWS credentials.")
    region_name: str | None = Field(default=None, description="AWS region; without one, the connection's.")
    bucket: str | None = Field(
        default=None, description="S3 bucket that holds the imported checkpoints: its name, without `s3://`."
    )
    prefix: str = Field(default="models", description="Key prefix in the bucket.", pattern=r"^[-!_*'()./a-zA-Z0-9]*$")
    role_arn: str | None = Field(
        default=None, description="IAM role that Bedrock assumes to read the bucket.", pattern=f"^{ROLE_ARN.pattern}$"
    )
    training_role_arn: str | None = Field(
        default=None,
        description="IAM role that SageMaker training jobs assume.",
        pattern=f"^{ROLE_ARN.pattern}$",
    )
    evaluation_role_arn: str | None = Field(
        default=None,
        description="IAM role that Bedrock evaluation jobs assume.",
        pattern=f"^{ROLE_ARN.pattern}$",
    )
    training_image: Text | None = Field(
        default=None, description="Container image of training jobs whose model's file names none."
    )
    kms_key_id: str | None = Field(
        default=None, description="KMS key ARN with which the bucket's objects are encrypted."
    )
    topic_arn: str | None = Field(
        default=None,
        description="SNS topic for notices of failures, approvals, promotions and a nearly full quota; without one, "
        "none are sent.",
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$",
    )
    metrics_namespace: str | None = Field(
        default=None,
        description="CloudWatch namespace of what a run measures; without one, no metrics are put.",
        pattern="^[A-Za-z0-9._/#-]{1,255}$",
    )
    workspace: Text = Field(
        default_factory=default_workspace,
        description="Working directory, shared by all workers; or `s3://bucket/prefix` for workers that share none.",
    )
    local_folders: str | None = Field(
        default=None,
        description="Other folders that models and data sets may be read from, with `:` between them; without any, "
        "the project's and the workspace.",
    )
    metric_packages: str | None = Field(
        default=None,
        description="Python packages with metrics of your own, with commas between them; without any, none are loaded.",
        pattern=r"^[A-Za-z_][\w.]*(, ?[A-Za-z_][\w.]*)*$",
    )
    cache_gigabytes: int = Field(
        default=200, ge=1, le=100_000, description="How much of a worker's disk fetched sources may fill, in GB."
    )
    megabytes_per_second: int | None = Field(
        default=None,
        ge=1,
        description="How fast a task may read from S3, and send to it, over a shared link, in MB/s; without it, "
        "no limit.",
    )

    @field_validator("bucket")
    @classmethod
    def _name_of_a_bucket(cls, bucket: str | None) -> str | None:
        if bucket and not BUCKET_NAME.fullmatch(bucket):
            hint = "; a path in it belongs in prefix" if "/" in bucket else ""
            raise ValueError(f"the name of an S3 bucket, without s3:// and without a path{hint}")
        return bucket

    @field_validator("prefix")
    @classmethod
    def _outside_of_imports(cls, prefix: str) -> str:
        if inside := next(filter(SHORT_FINGERPRINT.fullmatch, prefix.split("/")), None):
            raise ValueError(f"{inside!r} names an import, and a prefix must not be inside the folder of one")
        return prefix

    @field_validator("workspace")
    @classmethod
    def _folder_or_prefix(cls, workspace: str) -> str:
        bucket, prefix = S3Uri.parse(workspace.rstrip("/"))
        if is_s3_uri(workspace) and not (BUCKET_NAME.fullmatch(bucket) and _WORKSPACE_PREFIX.fullmatch(prefix)):
            raise ValueError("a folder, or s3://bucket/prefix with a prefix of letters, digits and -_./")
        return workspace

    @property
    def local_workspace(self) -> str:
        """The folder of a worker in which tasks compute: the workspace or, of one in S3, the worker's scratch space."""
        return default_workspace() if is_s3_uri(self.workspace) else self.workspace

    @property
    def allowed_metric_packages(self) -> tuple[str, ...]:
        """The packages from which metrics of the team's own may be loaded."""
        return tuple(package.strip() for package in (self.metric_packages or "").split(",") if package.strip())

    @property
    def bytes_per_second(self) -> float | None:
        """The limit of the link, in bytes."""
        return self.megabytes_per_second * 1e6 if self.megabytes_per_second else None


def account_settings(
    own: AccountConfig | None,
    variable: Callable[[str], str | None],
    fields: Collection[str] = tuple(AccountConfig.model_fields),
) -> AccountConfig:
    """Return the account's settings: those of a model's file, else the Airflow Variables', else the defaults.

    Args:
        own: what the model's file says under ``account``; None without a file.
        variable: returns the value of an Airflow Variable, None without one.
        fields: the settings that are needed; the others keep their defaults.

    Raises:
        ModelFileInvalidError: names every wrong setting.
    """
    stated = own.model_dump(include=own.model_fields_set) if own else {}
    values = {field: stated.get(field) or _trimmed(variable(f"{VARIABLE_PREFIX}{field}")) for field in fields}
    return parse(AccountConfig, {field: value for field, value in values.items() if value}, _SOURCE)


def connection_settings(own: AccountConfig | None, variable: Callable[[str], str | None]) -> ConnectionSettings:
    """Return the connection of a model with this ``account`` in its file, or of one without a file."""
    account = account_settings(own, variable, ConnectionSettings._fields)
    return ConnectionSettings(account.aws_conn_id, account.region_name, account.kms_key_id)


def all_connections(
    accounts: Iterable[AccountConfig], variable: Callable[[str], str | None]
) -> tuple[ConnectionSettings, ...]:
    """Return each connection and region that models use once: that of models without a file first."""
    return tuple(dict.fromkeys(connection_settings(own, variable) for own in (None, *accounts)))


def _trimmed(value: str | None) -> str | None:
    """Return a Variable's value without the blanks and line ends around it, which come with pasting."""
    return value.strip() if value else value
