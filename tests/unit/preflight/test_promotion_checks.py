from __future__ import annotations

from typing import Any

import pytest

from include.config.model import parse_model_config
from include.preflight.promotion_checks import check_promotion


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
