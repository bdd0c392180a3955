from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.aws.clients import AwsClients
from include.config.model import parse_model_config
from include.preflight.asking import collected
from include.preflight.promotion_checks import check_baseline, check_promotion


@pytest.mark.parametrize(
    ("promotion", "evaluation", "noted"),
    [
        ("auto", {}, True),
        ("auto", {"thresholds": {"f1": 0.5}}, False),
        ("auto", {"category_thresholds": {"*": {"f1": 0.5}}}, False),
        ("manual", {}, False),
        ("never", {}, False),
    ],
)
def test_preflight_says_that_a_person_is_asked_when_nothing_judges_a_first_version(
    promotion: str, evaluation: dict[str, Any], noted: bool
) -> None:
    values = {"model_name": "m", "base": "b", "promotion": promotion, "evaluation": {"dataset": "d", **evaluation}}
    findings = list(check_promotion(parse_model_config(values, "a test")))
    said = [(finding.severity, "a person is asked" in finding.found) for finding in findings]
    assert said == [("info", True)] * noted


class OneModel:
    """A bedrock client of an account with the imported model ``base``."""

    class meta:
        region_name = "us-east-1"

    def get_imported_model(self, modelIdentifier: str) -> dict[str, str]:
        if modelIdentifier == "base":
            return {"modelArn": "arn"}
        raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "none"}}, "GetImportedModel")


@pytest.mark.parametrize(("baseline", "warned"), [(None, False), ("base", False), ("absent", True)])
def test_preflight_warns_of_a_baseline_that_is_not_imported(baseline: str | None, warned: bool) -> None:
    values = {"model_name": "m", "base": "b", "evaluation": {"dataset": "d"}, "comparison": {"baseline": baseline}}
    checks = check_baseline(parse_model_config(values, "a test"), AwsClients(lambda name: OneModel()))
    findings, _ = collected(checks)
    assert [(finding.severity, finding.which) for finding in findings] == [("warning", "absent")] * warned
