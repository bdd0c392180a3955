"""The Airflow pools in which imports queue: one slot each, since Bedrock runs one import job per region."""

from __future__ import annotations

#: For models whose file names no region: the connection's region is not known when DAGs are parsed.
DEFAULT_POOL = "bedrock_import"


def pool_name(region_name: str | None) -> str:
    """Return the pool for imports in this region; without a region, the default pool."""
    return f"{DEFAULT_POOL}_{region_name}" if region_name else DEFAULT_POOL
