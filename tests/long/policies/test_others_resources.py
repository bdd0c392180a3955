"""The runner's policies let it change what this project made, and nothing that others made in the same account."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.runner import Runner
from tests.support.stacks import ACCOUNT, REGION

pytestmark = pytest.mark.timeout(300)

OWN_TAGS = {"model_name": "team-ponds", "fingerprint": "of the content"}
OTHERS_TAGS = ({}, {"team": "others"}, {"model_name": "capitals"}, {"fingerprint": "of other content"})
PROMPT = json.dumps({"prompt": "Lisbon", "max_tokens": 1})
MODELS = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:imported-model/"


def denied(call: Callable[..., Any], **arguments: Any) -> bool:
    """Whether IAM refuses the request."""
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException"):
            raise
        return True
    return False


def listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


@pytest.mark.parametrize("tags", OTHERS_TAGS)
def test_a_model_that_others_imported_is_not_called_tagged_or_deleted(tags: dict[str, str], runner: Runner) -> None:
    model = runner.model_of_admin(f"others-{OTHERS_TAGS.index(tags)}", **tags)
    bedrock = runner.client("bedrock")
    assert denied(runner.client("bedrock-runtime").invoke_model, modelId=model, body=PROMPT)
    assert denied(bedrock.tag_resource, resourceARN=model, tags=listed({"evaluated_by": "a run"}))
    assert denied(bedrock.delete_imported_model, modelIdentifier=model)


def test_a_model_or_job_that_others_imported_is_not_claimed_by_tags(runner: Runner) -> None:
    model = runner.model_of_admin("others-untagged")
    bedrock = runner.client("bedrock")
    job = bedrock.get_imported_model(modelIdentifier=model)["jobArn"]
    for arn in (model, job):
        assert denied(bedrock.tag_resource, resourceARN=arn, tags=listed(OWN_TAGS))


def test_a_model_that_this_project_imported_is_called_tagged_and_deleted(runner: Runner) -> None:
    model = runner.model_of_admin("team-ponds-1", **OWN_TAGS)
    bedrock = runner.client("bedrock")
    assert not denied(runner.client("bedrock-runtime").invoke_model, modelId=model, body=PROMPT)
    assert not denied(bedrock.tag_resource, resourceARN=model, tags=listed({"evaluated_by": "a run"}))
    assert not denied(bedrock.delete_imported_model, modelIdentifier=model)


@pytest.mark.parametrize("tags", OTHERS_TAGS)
def test_an_import_without_the_projects_tags_is_not_started(tags: dict[str, str], runner: Runner) -> None:
    assert denied(
        runner.client("bedrock").create_model_import_job,
        jobName="untagged",
        importedModelName="untagged",
        roleArn=runner.outputs["ImportRoleArn"],
        modelDataSource={"s3DataSource": {"s3Uri": f"s3://{runner.outputs['BucketName']}/models/untagged/"}},
        jobTags=listed(tags),
        importedModelTags=listed(tags),
    )


def with_metadata(metadata: dict[str, str]) -> dict[str, dict[str, str]]:
    """The argument of a request; the registry takes no empty metadata."""
    return {"CustomerMetadataProperties": metadata} if metadata else {}


def new_version(runner: Runner, group: str, **metadata: str) -> str:
    """A version that others registered; its ARN."""
    sagemaker = runner.aws.client("sagemaker")
    if not sagemaker.list_model_package_groups(NameContains=group)["ModelPackageGroupSummaryList"]:
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    made = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="PendingManualApproval",
        **with_metadata(metadata),
    )
    return str(made["ModelPackageArn"])


@pytest.mark.parametrize(
    ("group", "metadata"),
    [
        ("team-ponds", {}),
        ("team-ponds", {"imported_model_arn": "arn:aws:sagemaker:us-east-1:1:model/theirs"}),
        ("credit-risk", {"imported_model_arn": f"{MODELS}abcdefghijkl"}),
    ],
)
def test_a_version_that_others_registered_is_not_approved(group: str, metadata: dict[str, str], runner: Runner) -> None:
    version = new_version(runner, group, **metadata)
    update = runner.client("sagemaker").update_model_package
    assert denied(update, ModelPackageArn=version, ModelApprovalStatus="Approved")
    claimed = {"imported_model_arn": f"{MODELS}abcdefghijkl"}
    assert denied(update, ModelPackageArn=version, CustomerMetadataProperties=claimed)


def test_a_version_of_an_imported_model_is_approved(runner: Runner) -> None:
    version = new_version(runner, "team-ponds", imported_model_arn=f"{MODELS}abcdefghijkl")
    update = runner.client("sagemaker").update_model_package
    assert not denied(update, ModelPackageArn=version, ModelApprovalStatus="Approved")


@pytest.mark.parametrize(
    ("group", "metadata"), [("credit-risk", {"imported_model_arn": f"{MODELS}abcdefghijkl"}), ("team-ponds", {})]
)
def test_no_version_is_added_for_other_models_or_to_other_groups(
    group: str, metadata: dict[str, str], runner: Runner
) -> None:
    new_version(runner, group)
    create = runner.client("sagemaker").create_model_package
    assert denied(create, ModelPackageGroupName=group, ModelApprovalStatus="Approved", **with_metadata(metadata))


def test_no_group_is_made_outside_the_names_of_the_stack(runner: Runner) -> None:
    assert denied(runner.client("sagemaker").create_model_package_group, ModelPackageGroupName="credit-scores")


def test_a_training_job_of_others_is_not_stopped(runner: Runner) -> None:
    for name, tags in (("credit-risk-1", OWN_TAGS), ("team-ponds-1", {"team": "others"}), ("team-ponds-2", {})):
        listing = [{"Key": key, "Value": value} for key, value in tags.items()]
        runner.aws.client("sagemaker").create_training_job(**runner.job(name, Tags=listing))
        assert denied(runner.client("sagemaker").stop_training_job, TrainingJobName=name)
        runner.trained(name)  # the account may run two jobs at a time


def test_no_training_job_is_started_for_other_models_without_tags_or_with_another_role(runner: Runner) -> None:
    create = runner.client("sagemaker").create_training_job
    assert denied(create, **runner.job("credit-risk-2"))
    assert denied(create, **runner.job("team-ponds-3", Tags=[{"Key": "model_name", "Value": "team-ponds"}]))
    assert denied(create, **runner.job("team-ponds-3") | {"RoleArn": runner.outputs["ImportRoleArn"]})
    assert not denied(create, **runner.job("team-ponds-3"))
