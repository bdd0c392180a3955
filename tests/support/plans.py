"""The plan of a run, as preflight would make it, for steps that a test runs by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.config.model import parse_model_config
from include.run.plan import ImportPlan


def import_plan(
    values: Mapping[str, Any], fingerprint: str, place: str, workspace: Path | str, **fields: Any
) -> ImportPlan:
    """A plan for a model with these fields in its file; everything it has in S3 is below ``place``, bucket and folder.

    ``fields`` replace those of the plan.
    """
    bucket, _, root = place.partition("/")
    name = str(values["model_name"])
    found = {
        "config": parse_model_config(values, "a test"),
        "content": fingerprint,
        "fingerprint": fingerprint,
        "region_name": "us-east-1",
        "aws_conn_id": "aws_default",
        "role_arn": "arn:aws:iam::123456789012:role/import",
        "bucket": bucket,
        "imported_model_name": name,
        "job_name": name,
        "client_request_token": name,
        "s3_uri": f"s3://{place}/checkpoint/",
        "manifest_key": f"{root}/manifest.json",
        "evaluation_prefix": f"{root}/evaluations",
        "delivered": True,
        "checkpoint_bytes": 1,
        "workspace": str(workspace),
        "tags": {"fingerprint": fingerprint},
    }
    return ImportPlan.model_validate(found | fields)
