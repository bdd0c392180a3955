"""The one object behind all of the stand-in's Bedrock: its settings, resources, models in memory, and faults."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from include.local_aws.bedrock.faults import Faults
from include.local_aws.bedrock.scope import Scope
from include.local_aws.bedrock.serving import ModelLibraries, ModelServers
from include.local_aws.bedrock.state import ImportedModel, Regions
from include.local_aws.settings import Settings


@dataclass
class Bedrock:
    """Made once per process. Bedrock's copies of imported checkpoints live in a folder that goes with the process."""

    settings: Settings
    endpoint_url: str
    regions: Regions = field(default_factory=Regions)
    faults: Faults = field(default_factory=Faults)
    libraries: ModelLibraries = field(default_factory=ModelLibraries)

    def __post_init__(self) -> None:
        self._copies = tempfile.TemporaryDirectory(prefix="local_aws_bedrock_", ignore_cleanup_errors=True)
        self.servers = ModelServers(self.libraries, self.settings.cold_start_seconds, self.settings.idle_seconds)

    @property
    def copies(self) -> Path:
        return Path(self._copies.name)

    def imported_model(self, scope: Scope, name_or_arn: str) -> ImportedModel:
        """Return the model. Raises ResourceNotFoundError, or what is scripted in its place."""
        model = self.regions.of(scope).model(name_or_arn)
        if model is None:
            raise self.faults.unknown_resource(f"The imported model {name_or_arn} does not exist in {scope.region}.")
        return model

    def reset(self) -> None:
        """Forget all jobs, models and faults, as if the process had just started."""
        self.faults.clear()
        self.regions.forget()
        self.servers.drop_all()
