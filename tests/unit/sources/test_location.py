from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from include.sources.errors import SourceSpecInvalidError
from include.sources.location import FolderLocation, Location, S3Location, SageMakerLocation, parse_location

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/capitals/3"


@pytest.mark.parametrize(
    ("spec", "location"),
    [
        ("include/demo/base", FolderLocation(Path("include/demo/base"))),
        (" /models/base ", FolderLocation(Path("/models/base"))),
        ("s3://bucket", S3Location("bucket", "")),
        ("s3://bucket/a/b/", S3Location("bucket", "a/b")),
        ("s3://bucket//a/b", S3Location("bucket", "/a/b")),
        ("sagemaker:training-job/fine-tune-1", SageMakerLocation("training-job", "fine-tune-1")),
        ("sagemaker:model/mistral", SageMakerLocation("model", "mistral")),
        ("sagemaker:training-job/fine--tune", SageMakerLocation("training-job", "fine--tune")),
        (
            "arn:aws:sagemaker:eu-central-1:123456789012:training-job/tune",
            SageMakerLocation("training-job", "tune", "eu-central-1"),
        ),
        (
            "arn:aws-us-gov:sagemaker:us-gov-west-1:123456789012:model/m",
            SageMakerLocation("model", "m", "us-gov-west-1"),
        ),
        (PACKAGE, SageMakerLocation("model-package", PACKAGE, "us-east-1")),
    ],
)
def test_each_form_of_a_source_is_understood(spec: str, location: Location) -> None:
    assert parse_location(spec) == location


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "  ",
        "s3://",
        "s3://Bad_Bucket/x",
        "gs://bucket/x",
        "https://huggingface.co/x",
        "sagemaker:endpoint/x",
        "sagemaker:model/",
        "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
    ],
)
def test_what_has_no_form_of_a_source_is_refused_with_the_accepted_forms(spec: str) -> None:
    with pytest.raises(SourceSpecInvalidError, match="sagemaker:training-job/NAME") as caught:
        parse_location(spec)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_archive_is_known_by_its_key() -> None:
    assert parse_location("s3://bucket/job/output/model.tar.gz") == S3Location("bucket", "job/output/model.tar.gz")
    assert S3Location("bucket", "job/output/model.tar.gz").is_archive
    assert not S3Location("bucket", "job/output").is_archive
