"""The Airflow pools in which imports queue: one slot each, since Bedrock runs one import job per region."""

from __future__ import annotations

#: For models whose file names no region; they are imported in the connection's, which is not known when DAGs are read.
DEFAULT_POOL = "bedrock_import"
#: Where Bedrock imports models. As of 2026-11-22, Amazon Bedrock User Guide.
IMPORT_REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-central-1")
POOLS = (DEFAULT_POOL, *(f"{DEFAULT_POOL}_{region}" for region in IMPORT_REGIONS))
DESCRIPTION = "Import jobs at Amazon Bedrock, which runs one at a time; one slot, deferred tasks count"


def pool_name(region_name: str | None) -> str:
    """Return the pool for imports in this region; without a region, or with an unknown one, the default pool."""
    name = f"{DEFAULT_POOL}_{region_name}"
    return name if name in POOLS else DEFAULT_POOL
