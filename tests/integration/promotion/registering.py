"""A registration by a process of its own; this module imports little, as each of those processes imports it."""

from __future__ import annotations

from typing import Any

import boto3

from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import Candidate


def register_one(endpoint_url: str, group: str, fingerprint: str) -> int:
    """Register a version of this content in the model's group; return its number."""
    sagemaker: Any = boto3.client(
        "sagemaker", "us-east-1", endpoint_url=endpoint_url, aws_access_key_id="t", aws_secret_access_key="t"
    )
    candidate = Candidate(
        group=group,
        description="",
        fingerprint=fingerprint,
        imported_model_arn="arn",
        scores={},
        dataset_digest="",
        report_uri="s3://bucket/report.json",
        status="Approved",
        provenance={},
    )
    return SageMakerRegistry(sagemaker).register(candidate).number
