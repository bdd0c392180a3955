from __future__ import annotations

import re
from typing import Any

import pytest

from include.config.errors import ModelFileInvalidError
from include.config.model import ModelConfig, changeable_fields, parse_model_config

EVALUATOR = "amazon.nova-pro-v1:0"


def _config(evaluation: dict[str, Any]) -> ModelConfig:
    values = {"model_name": "m", "base": "b", "evaluation": {"dataset": "d"}, "bedrock_evaluation": evaluation}
    return parse_model_config(values, "a test")


def test_an_evaluation_job_needs_an_evaluator_only_and_a_model_has_none_by_default() -> None:
    evaluation = _config({"evaluator_model": EVALUATOR}).bedrock_evaluation
    assert evaluation
    assert (evaluation.metrics, evaluation.records) == (("Correctness", "Completeness"), 100)
    assert (
        parse_model_config({"model_name": "m", "base": "b", "evaluation": {"dataset": "d"}}, "t").bedrock_evaluation
        is None
    )


@pytest.mark.parametrize(
    ("evaluation", "problem"),
    [
        ({}, "bedrock_evaluation.evaluator_model: is missing"),
        (
            {"evaluator_model": "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456"},
            "bedrock_evaluation.evaluator_model: must be the id or ARN of a foundation model or a system-defined",
        ),
        ({"evaluator_model": EVALUATOR, "metrics": ["Beauty"]}, "bedrock_evaluation.metrics.0: must be one of"),
        ({"evaluator_model": EVALUATOR, "metrics": []}, "bedrock_evaluation.metrics: "),
        ({"evaluator_model": EVALUATOR, "records": 1001}, "bedrock_evaluation.records: must be at most 1000"),
    ],
)
def test_a_mistake_in_the_evaluation_job_is_named(evaluation: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelFileInvalidError, match=re.escape(problem)):
        _config(evaluation)


def test_no_run_can_change_the_evaluation_job() -> None:
    assert [path for path in changeable_fields() if path.startswith("bedrock_evaluation")] == []
