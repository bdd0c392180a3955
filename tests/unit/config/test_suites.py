from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from include.config.errors import ModelFileInvalidError
from include.config.model import ModelConfig, parse_model_config
from include.run.workspace import PROJECT_ROOT

GENERAL = {"name": "general", "effect": "blocks", "dataset": "general.jsonl"}
TASK = {"name": "task", "dataset": "task.jsonl", "thresholds": {"f1": 0.5}}


def _config(**values: Any) -> ModelConfig:
    return parse_model_config({"model_name": "m", "base": "b"} | values, "a test")


def test_one_evaluation_is_a_suite_that_decides() -> None:
    [suite] = _config(evaluation={"dataset": "d", "thresholds": {"recall": 0.5}, "max_tokens": 3}).suites
    assert (suite.name, suite.effect, suite.dataset, suite.max_tokens) == ("evaluation", "decides", "d", 3)
    assert suite.compared_metrics == ("recall",)


def test_the_first_suite_that_decides_is_the_main_one_whatever_stands_before_it() -> None:
    config = _config(evaluations=[GENERAL, TASK, {"name": "style", "effect": "informs", "dataset": "style.jsonl"}])
    assert [suite.name for suite in config.suites] == ["task", "general", "style"]
    assert (config.evaluation.dataset, config.evaluation.thresholds) == ("task.jsonl", {"f1": 0.5})


def test_the_compared_metrics_are_those_that_a_suite_names_else_those_with_a_threshold_else_f1() -> None:
    named = {**TASK, "name": "named", "metrics": ["recall", "precision"]}
    suites = {suite.name: suite.compared_metrics for suite in _config(evaluations=[TASK, GENERAL, named]).suites}
    assert suites == {"task": ("f1",), "general": ("f1",), "named": ("recall", "precision")}


def test_a_plan_that_crosses_a_task_border_has_the_same_suites() -> None:
    config = _config(evaluations=[GENERAL, TASK])
    assert ModelConfig.model_validate_json(config.model_dump_json()).suites == config.suites
    assert ModelConfig.model_validate(config.model_dump(exclude_unset=True)).suites == config.suites


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"evaluations": []}, "evaluation: is missing"),
        ({"evaluations": "x"}, "evaluations: must be a list"),
        ({"evaluations": [GENERAL]}, "evaluations: none of them decides"),
        ({"evaluations": [TASK, TASK]}, "'task' names more than one"),
        ({"evaluations": [TASK], "evaluation": {"dataset": "d"}}, "give evaluation or evaluations, not both"),
        ({"evaluations": [{**TASK, "effect": "block"}]}, "evaluations.0.effect: must be one of"),
        ({"evaluations": [{**TASK, "name": "My task"}]}, "evaluations.0.name: must be lower-case letters"),
        ({"evaluations": [TASK, {**GENERAL, "metrics": ["bleu"]}]}, "evaluations.1.metrics.0: one of exact_match"),
        ({"evaluations": [TASK], "run_may_change": ["evaluation.sample"]}, "evaluation.sample cannot be set by a run"),
        ({"evaluations": [{**TASK, "name": f"s{n}"} for n in range(11)]}, "evaluations: must have at most 10 entries"),
    ],
)
def test_a_wrong_list_of_suites_is_refused_with_what_is_wrong(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelFileInvalidError) as refused:
        _config(**values)
    assert problem in str(refused.value)


def test_the_documented_suites_are_a_models_file() -> None:
    page = (PROJECT_ROOT / "docs/evaluation.md").read_text("utf-8").partition("\n## Several suites\n")[2]
    [example] = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.S) if block.startswith("evaluations:")]
    suites = _config(**yaml.safe_load(example)).suites
    assert [(suite.name, suite.effect) for suite in suites] == [
        ("capitals", "decides"),
        ("general-knowledge", "blocks"),
        ("style", "informs"),
    ]
