"""The settings of an AWS account, and where each comes from: a model's file, or the Airflow Variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from pydantic import Field, field_validator

from include.config.names import ROLE_ARN, SHORT_FINGERPRINT
from include.config.parsing import parse
from include.config.part import Part, Text

VARIABLE_PREFIX = "model_import_"
#: The fields of which an AWS client is made.
CONNECTION_FIELDS = ("aws_conn_id", "region_name")
_SOURCE = f"the account's settings (Airflow Variables {VARIABLE_PREFIX}*, or account in the model's file)"


def _default_workspace() -> str:
    """Return a folder beside Airflow's own files: git-sync and bundles replace the project's folder."""
    home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
    return str(Path(home).expanduser() / "model-import-workspace")


class AccountConfig(Part):
    """What belongs to an AWS account: Airflow Variables `model_import_*`, or a model's file where it differs."""

    aws_conn_id: Text = Field(default="aws_default", description="Airflow connection with the AWS credentials.")
    region_name: str | None = Field(default=None, description="AWS region; without one, the connection's.")
    bucket: str | None = Field(default=None, description="S3 bucket that holds the imported checkpoints.")
    prefix: str = Field(default="models", description="Key prefix in the bucket.", pattern=r"^[-!_*'()./a-zA-Z0-9]*$")
    role_arn: str | None = Field(
        default=None, description="IAM role that Bedrock assumes to read the bucket.", pattern=f"^{ROLE_ARN.pattern}$"
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
    workspace: Text = Field(default_factory=_default_workspace, description="Working directory, shared by all workers.")
    local_folders: str | None = Field(
        default=None,
        description="Other folders that models and data sets may be read from, with `:` between them; without any, "
        "the project's and the workspace.",
    )
    cache_gigabytes: int = Field(
        default=200, ge=1, le=100_000, description="How much of the workspace fetched sources may fill, in GB."
    )
    megabytes_per_second: int | None = Field(
        default=None,
        ge=1,
        description="How fast a task may read from S3, and send to it, over a shared link, in MB/s; without it, "
        "no limit.",
    )

    @field_validator("prefix")
    @classmethod
    def _outside_of_imports(cls, prefix: str) -> str:
        if inside := next(filter(SHORT_FINGERPRINT.fullmatch, prefix.split("/")), None):
            raise ValueError(f"{inside!r} names an import, and a prefix must not be inside the folder of one")
        return prefix

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
    values = {field: stated.get(field) or variable(f"{VARIABLE_PREFIX}{field}") for field in fields}
    return parse(AccountConfig, {field: value for field, value in values.items() if value}, _SOURCE)
