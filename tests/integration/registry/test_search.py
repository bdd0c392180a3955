from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from include.registry.sagemaker import SageMakerRegistry
from include.registry.search import champion_among, newest_versions, registered_groups
from include.registry.versions import ApprovalStatus, Candidate
from tests.support.local_aws_process import LocalAwsProcess

VERSIONS = 103


@pytest.fixture(scope="module")
def sagemaker() -> Iterator[Any]:
    with LocalAwsProcess() as local_aws:
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        yield session.client("sagemaker", endpoint_url=local_aws.endpoint_url)


def _register(sagemaker: Any, group: str, number: int, status: ApprovalStatus = "Rejected") -> None:
    candidate = Candidate(
        group=group, description="", fingerprint=f"{number:064x}", scores={"f1": 0.5}, dataset_digest="d",
        imported_model_arn="arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl", status=status,
        report_uri="s3://bucket/report.json", provenance={},
    )  # fmt: skip
    SageMakerRegistry(sagemaker).register(candidate)


@pytest.fixture(scope="module")
def group(sagemaker: Any) -> str:
    """A group of so many versions that they need two pages; the first is approved, another one's are not its."""
    _register(sagemaker, "other", 1, "Approved")
    sagemaker.create_model_package_group(
        ModelPackageGroupName="many", ModelPackageGroupDescription="Imported Bedrock models many"
    )
    for number in range(1, VERSIONS + 1):
        sagemaker.create_model_package(
            ModelPackageGroupName="many",
            ModelApprovalStatus="Approved" if number == 1 else "Rejected",
            CustomerMetadataProperties={
                "score.f1": "0.500000",
                "fingerprint": f"{number:064x}",
                "imported_model_arn": f"arn:aws:bedrock:us-east-1:123456789012:imported-model/{number:012}",
            },
        )
    return "many"


def test_the_newest_versions_are_read_with_their_scores_newest_first(sagemaker: Any, group: str) -> None:
    found = newest_versions(sagemaker, group, 500)
    assert [version.number for version in found] == list(range(VERSIONS, 0, -1))
    assert found == tuple(SageMakerRegistry(sagemaker).versions(group))


def test_no_more_are_read_than_asked_for(sagemaker: Any, group: str) -> None:
    assert [version.number for version in newest_versions(sagemaker, group, 3)] == [103, 102, 101]


def test_a_champion_older_than_what_was_read_is_found(sagemaker: Any, group: str) -> None:
    champion = champion_among(sagemaker, group, newest_versions(sagemaker, group, 3))
    assert champion == SageMakerRegistry(sagemaker).champion(group)
    assert champion is not None


def test_a_group_without_versions_has_no_champion(sagemaker: Any) -> None:
    assert newest_versions(sagemaker, "nobody", 10) == ()
    assert champion_among(sagemaker, "nobody", ()) is None


def test_only_groups_of_this_project_are_listed(sagemaker: Any, group: str) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="somebody-elses")
    assert registered_groups(sagemaker) == ("many", "other")
