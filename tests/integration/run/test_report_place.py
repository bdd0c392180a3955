from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import REPORT_HTML_URI, Candidate
from include.run.report_place import ReportNotFoundError, read_html_report
from tests.support.local_aws_process import LocalAwsProcess

FINGERPRINT, OTHER = "a" * 64, "b" * 64
KEY = f"models/capitals/{FINGERPRINT[:12]}/evaluations/report.html"


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    with LocalAwsProcess() as local_aws:
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        yield lambda service: session.client(service, endpoint_url=local_aws.endpoint_url)


@pytest.fixture(scope="module", autouse=True)
def version_with_report(aws: Any) -> None:
    aws("s3").create_bucket(Bucket="reports-here")
    aws("s3").put_object(Bucket="reports-here", Key=KEY, Body=b"<!doctype html>")
    candidate = Candidate(
        group="capitals",
        description="",
        fingerprint=FINGERPRINT,
        imported_model_arn="arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
        scores={},
        dataset_digest="0" * 64,
        report_uri="s3://reports-here/capitals/report.json",
        status="Approved",
        provenance={REPORT_HTML_URI: f"s3://reports-here/{KEY}"},
    )
    SageMakerRegistry(aws("sagemaker")).register(candidate)


def test_a_versions_report_is_read_from_where_the_registry_says(aws: Any) -> None:
    assert read_html_report("capitals", FINGERPRINT, aws("sagemaker"), aws("s3")).body == b"<!doctype html>"


@pytest.mark.parametrize(
    ("model_name", "fingerprint"),
    [("capitals", OTHER), ("rivers", FINGERPRINT), ("../x", FINGERPRINT), ("capitals", "../../secret")],
)
def test_what_was_not_registered_has_no_report(aws: Any, model_name: str, fingerprint: str) -> None:
    with pytest.raises(ReportNotFoundError):
        read_html_report(model_name, fingerprint, aws("sagemaker"), aws("s3"))


@pytest.mark.parametrize("key", ["salaries.csv", f"models/rivers/{FINGERPRINT[:12]}/evaluations/report.html"])
def test_what_the_registry_names_instead_of_the_models_own_report_is_not_shown(aws: Any, key: str) -> None:
    aws("s3").put_object(Bucket="reports-here", Key=key, Body=b"secret")
    candidate = Candidate(
        group="lakes", description="", fingerprint=FINGERPRINT, scores={}, dataset_digest="", status="Approved",
        imported_model_arn="arn", report_uri="s3://bucket/report.json", provenance={REPORT_HTML_URI: f"s3://reports-here/{key}"},
    )  # fmt: skip
    SageMakerRegistry(aws("sagemaker")).register(candidate)
    with pytest.raises(ReportNotFoundError, match="where no run writes it"):
        read_html_report("lakes", FINGERPRINT, aws("sagemaker"), aws("s3"))
