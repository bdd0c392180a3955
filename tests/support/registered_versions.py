"""Register versions as runs do, with little that the page shows of them."""

from __future__ import annotations

from include.demo.environment import aws_client
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import ApprovalStatus, Candidate
from tests.support.local_aws_process import LocalAwsProcess

FINGERPRINT = "ab" * 32


def register(
    local_aws: LocalAwsProcess,
    group: str,
    status: ApprovalStatus = "Approved",
    fingerprint: str = FINGERPRINT,
    reason: str = "",
    **metadata: str,
) -> None:
    candidate = Candidate(
        group=group, description="", fingerprint=fingerprint, scores={"f1": 0.875}, dataset_digest="d",
        imported_model_arn="arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl", status=status,
        report_uri="s3://reports/report.json", approval_description=reason,
        provenance=metadata,
    )  # fmt: skip
    SageMakerRegistry(aws_client(local_aws.endpoint_url, "sagemaker")).register(candidate)
