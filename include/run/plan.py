"""The plan of one import: resolved configuration, identity and names, as small JSON that every task reads."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from include.aws.s3_uri import S3Uri
from include.config.model import ModelConfig
from include.run.workspace import Workspace

#: Part of the fingerprint: raised whenever the same inputs would give other bytes.
PREPARATION_VERSION = "1"
#: The one place of the version: a run records it among its tags.
PROJECT_VERSION = "0.1.0"


class ImportPlan(BaseModel):
    """The source, destination and names of one run's import.

    ``content`` is the fingerprint of the inputs; ``fingerprint`` is another one when the run was forced.
    ``checkpoint_bytes`` is the size of the base model; ``usual_seconds`` is how long imports of such a size took.
    """

    model_config = ConfigDict(frozen=True)

    config: ModelConfig
    content: str
    fingerprint: str
    region_name: str
    aws_conn_id: str
    role_arn: str
    bucket: str
    imported_model_name: str
    job_name: str
    client_request_token: str
    s3_uri: str
    manifest_key: str
    evaluation_prefix: str
    delivered: bool
    checkpoint_bytes: int
    usual_seconds: float | None = None
    workspace: str
    tags: dict[str, str]
    #: When the fine-tune that started this run landed; None for a run that nothing but a person or the clock started.
    landed_at: AwareDatetime | None = None

    @property
    def prefix(self) -> str:
        """The key prefix of the checkpoint, with a slash at its end."""
        return S3Uri.parse(self.s3_uri).key

    @property
    def model_prefix(self) -> str:
        """The key prefix of all deliveries of the model, with a slash at its end."""
        return f"{self.manifest_key.rsplit('/', 2)[0]}/"

    @property
    def files(self) -> Workspace:
        """The run's place in the workspace."""
        return Workspace(self.workspace)

    def workspace_file(self, name: str) -> Path:
        """The path of a file of this run in the workspace."""
        return self.files.folder / name
