"""What docs/promotion.md tells applications to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import RETIRED_AT, Candidate
from tests.support.local_aws_process import LocalAwsProcess

PAGE = Path(__file__).parents[3] / "docs/promotion.md"


@pytest.fixture(scope="module")
def endpoint_url() -> Iterator[str]:
    with LocalAwsProcess() as local_aws:
        yield local_aws.endpoint_url


def _register(sagemaker: Any, fingerprint: str, status: str) -> str:
    arn = f"arn:aws:bedrock:us-east-1:123456789012:imported-model/{fingerprint * 12}"
    candidate = Candidate(
        group="capitals",
        description="",
        fingerprint=fingerprint * 64,
        imported_model_arn=arn,
        scores={},
        dataset_digest="",
        report_uri="s3://bucket/report.json",
        status=status,
        provenance={},
    )
    SageMakerRegistry(sagemaker).register(candidate)
    return arn


def test_an_application_finds_the_champion_with_the_documented_call(
    endpoint_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    sagemaker: Any = boto3.client("sagemaker")
    _register(sagemaker, "a", "Approved")
    champion = _register(sagemaker, "b", "Approved")
    _register(sagemaker, "c", "Rejected")
    _register(sagemaker, "d", "Approved")
    registry = SageMakerRegistry(sagemaker)
    registry.note(next(registry.versions("capitals")), RETIRED_AT, "2026-11-22T10:00:00+00:00")
    sagemaker.create_model_package(ModelPackageGroupName="capitals", ModelApprovalStatus="Approved")
    (lookup,) = (
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S) if "boto3" in block
    )
    names: dict[str, Any] = {}
    exec(compile(lookup, str(PAGE), "exec"), names)
    assert names["champion"] == champion
