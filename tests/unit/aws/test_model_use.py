from __future__ import annotations

from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from include.aws.model_use import begin_use

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"


@pytest.fixture
def bedrock() -> Stubber:
    stubber = Stubber(boto3.client("bedrock", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b"))
    stubber.add_response("get_imported_model", {"modelArn": ARN})
    return stubber


def test_a_model_that_is_deleted_before_its_note_is_written_needs_none(bedrock: Stubber) -> None:
    bedrock.add_client_error("tag_resource", "ResourceNotFoundException")
    bedrock.add_client_error("get_imported_model", "ResourceNotFoundException")
    with bedrock:
        begin_use(bedrock.client, ARN, "import_capitals/run 1", datetime.now(UTC))
    bedrock.assert_no_pending_responses()


def test_a_note_that_bedrock_refuses_on_a_model_that_is_there_is_an_error(bedrock: Stubber) -> None:
    bedrock.add_client_error("tag_resource", "ValidationException")
    bedrock.add_response("get_imported_model", {"modelArn": ARN})
    with bedrock, pytest.raises(ClientError, match="ValidationException"):
        begin_use(bedrock.client, ARN, "import_capitals/run 1", datetime.now(UTC))
