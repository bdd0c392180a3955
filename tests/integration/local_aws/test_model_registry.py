"""SageMaker's Model Registry as the project uses it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Any
EVERYTHING: dict[str, Any] = {
    "ModelPackageDescription": "the finished adapter",
    "ModelApprovalStatus": "Approved",
    "CustomerMetadataProperties": {"imported_model_arn": "arn:aws:bedrock:::imported-model/abcdefghijkl", "f1": "0.93"},
    "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://b/r.json"}}},
    "InferenceSpecification": {
        "Containers": [{"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1", "ModelDataUrl": "s3://b/model"}],
        "SupportedContentTypes": ["application/json"],
        "SupportedResponseMIMETypes": ["application/json"],
    },
    "MetadataProperties": {"CommitId": "abc", "GeneratedBy": "a run"},
    "SourceUri": "s3://bucket/prefix",
    "ModelCard": {"ModelCardContent": "{}", "ModelCardStatus": "Draft"},
    "ModelLifeCycle": {"Stage": "Production", "StageStatus": "Approved"},
    "SkipModelValidation": "All",
    "Domain": "NATURAL_LANGUAGE_PROCESSING",
    "Task": "QUESTION_ANSWERING",
}


@pytest.fixture(scope="module")
def sagemaker(client: Callable[[str], Client]) -> Client:
    return client("sagemaker")


@pytest.fixture
def group(sagemaker: Client) -> str:
    name = f"group-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription="models")
    return name


@pytest.fixture
def register(sagemaker: Client, group: str) -> Callable[..., str]:
    return lambda **given: sagemaker.create_model_package(ModelPackageGroupName=group, **given)["ModelPackageArn"]


def versions(sagemaker: Client, **filters: Any) -> list[int]:
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        SortBy="CreationTime", **filters, PaginationConfig={"PageSize": 2}
    )
    return [package["ModelPackageVersion"] for page in pages for package in page["ModelPackageSummaryList"]]


def test_a_group_of_the_same_name_is_refused_in_the_words_the_provider_looks_for(sagemaker: Client, group: str) -> None:
    with pytest.raises(ClientError) as caught:
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert caught.value.response["Error"]["Message"].startswith("Model Package Group already exists")
    described = sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    assert described["ModelPackageGroupDescription"] == "models"


def test_a_version_is_described_with_everything_it_was_given(sagemaker: Client, register: Callable[..., str]) -> None:
    described = sagemaker.describe_model_package(ModelPackageName=register(**EVERYTHING))
    assert {name: described[name] for name in EVERYTHING} == EVERYTHING
    assert described["ModelPackageVersion"] == 1


def test_a_version_waits_for_approval_unless_told_otherwise(sagemaker: Client, register: Callable[..., str]) -> None:
    assert sagemaker.describe_model_package(ModelPackageName=register())["ModelApprovalStatus"] == (
        "PendingManualApproval"
    )


def test_a_repeated_token_makes_no_second_version(sagemaker: Client, group: str, register: Callable[..., str]) -> None:
    assert register(ClientToken="one") == register(ClientToken="one")
    assert versions(sagemaker, ModelPackageGroupName=group) == [1]
    with pytest.raises(ClientError, match="ConflictException"):
        register(ClientToken="one", ModelPackageDescription="another")


def test_an_update_changes_what_it_is_given_and_nothing_else(sagemaker: Client, register: Callable[..., str]) -> None:
    arn = register(**EVERYTHING)
    sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"retired": "yes"})
    sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataPropertiesToRemove=["f1", "unknown"])
    sagemaker.update_model_package(ModelPackageArn=arn, SourceUri="s3://bucket/other")
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    expected = EVERYTHING | {
        "CustomerMetadataProperties": {
            "imported_model_arn": "arn:aws:bedrock:::imported-model/abcdefghijkl",
            "retired": "yes",
        },
        "SourceUri": "s3://bucket/other",
    }
    assert {name: described[name] for name in EVERYTHING} == expected


def test_an_approval_is_changed_and_found_by_its_status(
    sagemaker: Client, group: str, register: Callable[..., str]
) -> None:
    first, _ = register(ModelApprovalStatus="Approved"), register()
    sagemaker.update_model_package(ModelPackageArn=first, ModelApprovalStatus="Rejected", ApprovalDescription="worse")
    described = sagemaker.describe_model_package(ModelPackageName=first)
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Rejected", "worse")
    assert versions(sagemaker, ModelPackageGroupName=group, ModelApprovalStatus="Rejected") == [1]
    assert versions(sagemaker, ModelPackageGroupName=group, ModelApprovalStatus="Approved") == []


def test_more_metadata_than_the_service_takes_is_refused(sagemaker: Client, register: Callable[..., str]) -> None:
    arn = register(CustomerMetadataProperties={f"key{number}": "v" for number in range(50)})
    with pytest.raises(ClientError, match="at most 50"):
        sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"one": "more"})
    with pytest.raises(ClientError, match="customerMetadataProperties"):
        register(CustomerMetadataProperties={"key": "v" * 257})


def test_versions_are_listed_by_age_on_pages_with_filters(
    sagemaker: Client, group: str, register: Callable[..., str]
) -> None:
    for _ in range(5):
        register()
    now = dt.datetime.now(dt.UTC)
    newest_first = {"ModelPackageGroupName": group, "SortOrder": "Descending"}
    assert versions(sagemaker, **newest_first) == [5, 4, 3, 2, 1]
    assert versions(sagemaker, ModelPackageGroupName=group) == [1, 2, 3, 4, 5]
    hour = dt.timedelta(hours=1)
    assert versions(sagemaker, **newest_first, CreationTimeAfter=now - hour, CreationTimeBefore=now + hour)[0] == 5
    assert versions(sagemaker, **newest_first, CreationTimeAfter=now + hour) == []
    assert versions(sagemaker, **newest_first, NameContains="no-such-name") == []


def test_a_group_is_named_by_its_arn_as_well(sagemaker: Client, group: str) -> None:
    arn = sagemaker.describe_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
    sagemaker.create_model_package(ModelPackageGroupName=arn)
    assert sagemaker.describe_model_package_group(ModelPackageGroupName=arn)["ModelPackageGroupName"] == group
    assert versions(sagemaker, ModelPackageGroupName=arn) == [1]


def test_a_version_number_is_not_used_again(sagemaker: Client, group: str, register: Callable[..., str]) -> None:
    register()
    sagemaker.delete_model_package(ModelPackageName=register())
    register()
    assert versions(sagemaker, ModelPackageGroupName=group) == [1, 3]


def test_a_group_is_deleted_when_it_is_empty(sagemaker: Client, group: str, register: Callable[..., str]) -> None:
    arn = register()
    with pytest.raises(ClientError, match="ConflictException"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    for call in (
        lambda: sagemaker.delete_model_package(ModelPackageName=arn),
        lambda: sagemaker.describe_model_package(ModelPackageName=arn),
        lambda: sagemaker.describe_model_package_group(ModelPackageGroupName=group),
        lambda: sagemaker.create_model_package(ModelPackageGroupName=group),
    ):
        with pytest.raises(ClientError, match="ValidationException"):
            call()


@pytest.mark.parametrize(
    "given",
    [
        {"Tags": [{"Key": "k", "Value": "v"}]},
        {"ModelPackageName": "both-names"},
        {"ModelApprovalStatus": "Maybe"},
    ],
)
def test_a_version_that_the_service_refuses_is_not_made(
    sagemaker: Client, group: str, register: Callable[..., str], given: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        register(**given)
    assert versions(sagemaker, ModelPackageGroupName=group) == []


@pytest.mark.parametrize(
    "content",
    ["not JSON", '{"unknown": {}}', '{"evaluation_details": [{}]}', '{"intended_uses": {"risk_rating": "Tiny"}}'],
)
def test_a_model_card_that_does_not_follow_its_schema_is_refused(register: Callable[..., str], content: str) -> None:
    with pytest.raises(ClientError) as caught:
        register(ModelCard={"ModelCardContent": content, "ModelCardStatus": "Draft"})
    assert "model card" in caught.value.response["Error"]["Message"]


def _searched(sagemaker: Client, group: str, **more: Any) -> list[dict[str, Any]]:
    by_group = {"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": group}
    filters = [by_group, *more.pop("filters", [])]
    answer = sagemaker.search(Resource="ModelPackage", SearchExpression={"Filters": filters}, **more)
    assert answer["TotalHits"]["Value"] >= len(answer["Results"])
    return [result["ModelPackage"] for result in answer["Results"]]


def test_search_finds_a_groups_versions_with_all_that_describe_tells(
    sagemaker: Client, group: str, register: Callable[..., str]
) -> None:
    arn = register(**EVERYTHING)
    (found,) = _searched(sagemaker, group)
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    assert found == {key: value for key, value in described.items() if key != "ResponseMetadata"}


def test_search_orders_and_pages(sagemaker: Client, group: str, register: Callable[..., str]) -> None:
    for _ in range(5):
        register()
    pages = sagemaker.get_paginator("search").paginate(
        Resource="ModelPackage",
        SearchExpression={"Filters": [{"Name": "ModelPackageGroupName", "Value": group}]},
        SortBy="CreationTime",
        PaginationConfig={"PageSize": 2},
    )
    sizes = [[result["ModelPackage"]["ModelPackageVersion"] for result in page["Results"]] for page in pages]
    assert sizes == [[5, 4], [3, 2], [1]]
    ascending = _searched(sagemaker, group, SortBy="CreationTime", SortOrder="Ascending")
    assert [package["ModelPackageVersion"] for package in ascending] == [1, 2, 3, 4, 5]


def test_search_tells_approved_versions_from_others(
    sagemaker: Client, group: str, register: Callable[..., str]
) -> None:
    approved = register(ModelApprovalStatus="Approved")
    register(ModelApprovalStatus="Rejected")
    only = [{"Name": "ModelApprovalStatus", "Operator": "Equals", "Value": "Approved"}]
    assert [package["ModelPackageArn"] for package in _searched(sagemaker, group, filters=only)] == [approved]
    others = [{"Name": "ModelApprovalStatus", "Operator": "NotEquals", "Value": "Approved"}]
    assert len(_searched(sagemaker, group, filters=others)) == 1


def test_a_search_that_is_not_emulated_is_refused_rather_than_answered_wrongly(sagemaker: Client, group: str) -> None:
    wrong = [{"Name": "ModelPackageVersion", "Operator": "GreaterThan", "Value": "2"}]
    with pytest.raises(ClientError, match="Equals and NotEquals"):
        _searched(sagemaker, group, filters=wrong)
