"""The settings of one stand-in process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What the command line chooses. Durations are in seconds; quotas count per account and region."""

    host: str = "127.0.0.1"
    port: int = 0
    account_id: str = "123456789012"
    default_region: str = "us-east-1"
    import_seconds: float = 3.0
    max_running_jobs: int = 1
    max_imported_models: int = 3
    cold_start_seconds: float = 2.0
    idle_seconds: float = 300.0
