from __future__ import annotations

import re
from typing import Any

import pytest

from include.config.errors import ModelFileInvalidError
from include.config.judge import judged_suites
from include.config.model import ModelConfig, changeable_fields, parse_model_config

JUDGE = "amazon.nova-pro-v1:0"
ACCOUNT = "123456789012"
SUITES = [{"name": "task", "dataset": "t"}, {"name": "style", "effect": "informs", "dataset": "s"}]


def _config(judge: dict[str, Any], **values: Any) -> ModelConfig:
    given = {"model_name": "m", "base": "b", "judge": judge} | (values or {"evaluation": {"dataset": "d"}})
    return parse_model_config(given, "a test")


def test_a_judge_needs_a_model_only_and_then_just_informs_about_the_main_suite() -> None:
    config = _config({"model": JUDGE})
    assert config.judge
    assert (config.judge.effect, config.judge.records, config.judge.questions_per_record) == ("informs", 100, 2)
    assert [suite.name for suite in judged_suites(config.judge, config.suites)] == ["evaluation"]


@pytest.mark.parametrize(
    "model",
    [
        JUDGE,
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        f"arn:aws:bedrock:us-east-1::foundation-model/{JUDGE}",
        f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/us.{JUDGE}",
        f"arn:aws-us-gov:bedrock:us-gov-west-1:{ACCOUNT}:application-inference-profile/abcdef123456",
    ],
)
def test_the_judge_is_a_foundation_model_or_an_inference_profile_by_id_or_arn(model: str) -> None:
    assert _config({"model": model}).judge


@pytest.mark.parametrize(
    ("judge", "problem"),
    [
        ({}, "judge.model: is missing"),
        (
            {"model": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:imported-model/abcdefghijkl"},
            "judge.model: must be the id or ARN of a foundation model or an inference profile",
        ),
        ({"model": JUDGE, "effect": "decides"}, "judge.effect: must be one of 'informs' or 'asks'"),
        ({"model": JUDGE, "repetitions": 9}, "judge.repetitions: must be at most 5"),
        ({"model": JUDGE, "rubric": "r", "rubric_file": "f"}, "give rubric or rubric_file, not both"),
        ({"model": JUDGE, "suites": ["general"]}, "judge.suites: 'general' is no suite; there are evaluation"),
        ({"model": JUDGE, "record": 5}, "judge.record: there is no such field, did you mean records under judge?"),
    ],
)
def test_a_mistake_in_the_judge_is_named(judge: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelFileInvalidError, match=re.escape(problem)):
        _config(judge)


def test_the_suites_that_are_judged_are_those_that_are_named() -> None:
    config = _config({"model": JUDGE, "suites": ["style"]}, evaluations=SUITES)
    assert config.judge
    assert [suite.name for suite in judged_suites(config.judge, config.suites)] == ["style"]


def test_a_run_can_set_nothing_of_the_judge() -> None:
    assert [path for path in changeable_fields() if path.startswith("judge")] == []
