from __future__ import annotations

from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from include.registry.errors import VersionNotImportedError
from include.registry.imported import check_imported, is_imported
from include.registry.versions import ModelVersion

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"


@pytest.fixture
def bedrock() -> Stubber:
    return Stubber(boto3.client("bedrock", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"))


def _version(arn: str = ARN) -> ModelVersion:
    metadata = {"imported_model_arn": arn} if arn else {}
    return ModelVersion(arn="arn", number=4, status="Approved", created_at=datetime.now(UTC), metadata=metadata)


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
def test_both_answers_of_bedrock_about_a_missing_model_mean_that_it_was_deleted(bedrock: Stubber, code: str) -> None:
    bedrock.add_client_error("get_imported_model", code)
    with bedrock, pytest.raises(VersionNotImportedError, match=r"(?s)m, version 4\n.* it was deleted"):
        check_imported("m", _version(), bedrock.client)


def test_a_model_that_bedrock_has_is_imported(bedrock: Stubber) -> None:
    bedrock.add_response("get_imported_model", {"modelArn": ARN}, {"modelIdentifier": ARN})
    with bedrock:
        assert is_imported(_version(), bedrock.client)


def test_a_version_that_names_no_imported_model_is_not_imported_and_bedrock_is_not_asked(bedrock: Stubber) -> None:
    with bedrock:
        assert not is_imported(_version(""), bedrock.client)


def test_any_other_error_of_bedrock_says_nothing_about_the_model(bedrock: Stubber) -> None:
    bedrock.add_client_error("get_imported_model", "AccessDeniedException")
    with bedrock, pytest.raises(ClientError):
        check_imported("m", _version(), bedrock.client)
