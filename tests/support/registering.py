"""A registration by a process of its own; this module imports little, as each of those processes imports it."""

from __future__ import annotations

from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import Candidate
from tests.support.bedrock_stand_in import Aws


def register_one(aws: Aws, group: str, fingerprint: str) -> int:
    """Register a version of this content in the model's group; return its number."""
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
    return SageMakerRegistry(aws.client("sagemaker")).register(candidate).number
