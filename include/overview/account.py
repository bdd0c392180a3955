"""Read an account's imported models, quota and import jobs in a handful of calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from include.aws.calls import request
from include.aws.clients import AwsClients
from include.config.files import read_model_files
from include.config.model import ModelConfig
from include.registry.search import registered_groups
from include.retention.occupancy import Occupancy, read_occupancy
from include.run.names import model_name_of

RECENT_JOBS = 10


class ImportJob(BaseModel):
    """An import job from ListModelImportJobs; ``model_name`` is empty when this project did not start it."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    name: str
    arn: str
    status: str
    model_name: str
    created_at: datetime
    ended_at: datetime | None


class Account(BaseModel):
    """The imported models, versions and jobs of an account and region. ``configs`` are the models' files by name.

    ``elsewhere`` are imported models of those whose files name another connection or region. ``endpoint_url`` and
    ``runtime_url`` are the addresses of Bedrock and of its runtime.
    """

    model_config = ConfigDict(frozen=True)

    region_name: str
    endpoint_url: str
    runtime_url: str
    configs: Mapping[str, ModelConfig]
    groups: tuple[str, ...]
    occupancy: Occupancy
    jobs: tuple[ImportJob, ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def endpoint(self) -> str:
        """The host of the endpoint, so that users do not mistake a stand-in for AWS."""
        address = urlsplit(self.endpoint_url)
        return f"{address.hostname}:{address.port}" if address.port else str(address.hostname)

    @property
    def model_names(self) -> tuple[str, ...]:
        """Return every model that has a file or a registered version, or is imported."""
        imported = {name for name in map(model_name_of, self.occupancy.imported) if name}
        return tuple(sorted({*self.configs, *self.groups, *imported}))

    @property
    def imported_per_model(self) -> Counter[str]:
        """Return the number of imported versions per model."""
        return Counter(model_name_of(name) for name in (*self.occupancy.imported, *self.elsewhere))


def read_account(clients: AwsClients, models_folder: Path) -> Account:
    """Read the account with five calls, some in parallel, and one more per hundred groups or models."""
    with ThreadPoolExecutor(3) as pool:
        groups = pool.submit(registered_groups, clients.sagemaker)
        occupancy = pool.submit(read_occupancy, clients.bedrock, clients.service_quotas)
        jobs = pool.submit(_recent_jobs, clients.bedrock)
        configs = read_model_files(models_folder).configs  # Airflow itself reports broken files
        return Account(
            region_name=clients.region_name,
            endpoint_url=str(clients.bedrock.meta.endpoint_url),
            runtime_url=str(clients.bedrock_runtime.meta.endpoint_url),
            configs=configs,
            groups=groups.result(),
            occupancy=occupancy.result(),
            jobs=jobs.result(),
        )


def _recent_jobs(bedrock: Any) -> tuple[ImportJob, ...]:
    answer = request(
        bedrock, "list_model_import_jobs", maxResults=RECENT_JOBS, sortBy="CreationTime", sortOrder="Descending"
    )
    return tuple(
        ImportJob(
            name=job["jobName"],
            arn=job["jobArn"],
            status=job["status"],
            model_name=model_name_of(job["jobName"]),
            created_at=job["creationTime"],
            ended_at=job.get("endTime"),
        )
        for job in answer.get("modelImportJobSummaries", [])
    )
