"""The settings of one stand-in process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def _setting(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class Settings:
    """What the command line chooses, one option per field. Quotas count per account and region."""

    host: str = _setting("127.0.0.1", "address to listen on; loopback only")
    port: int = _setting(0, "port to listen on; 0 takes a free one")
    account_id: str = _setting("123456789012", "account of requests whose access key belongs to no other one")
    default_region: str = _setting("us-east-1", "region of requests that name none")
    import_seconds: float = _setting(3.0, "least time a model import job takes")
    evaluation_seconds: float = _setting(1.0, "least time an evaluation job takes")
    max_running_jobs: int = _setting(1, "model import jobs that may run at a time")
    max_imported_models: int = _setting(3, "imported models that may exist")
    cold_start_seconds: float = _setting(2.0, "time a cold imported model answers ModelNotReadyException for")
    max_training_instances: int = _setting(2, "instances of a type that training jobs may use at a time")
    training_stop_seconds: float = _setting(120.0, "time between SIGTERM and SIGKILL when a training job has to stop")
    training_memory_gb: float = _setting(32.0, "address space of each process of a training job")
    training_disk_gb: float = _setting(20.0, "disk that the files of a training job may fill")
    training_packages: str = _setting("", "folder with packages that training jobs find beside the installed ones")
    spot_share: float = _setting(0.3, "share of its training time for which a job on spot capacity is billed")
    idle_seconds: float = _setting(300.0, "time without a call after which an imported model is cold again")
