from __future__ import annotations

from typing import Any

import pytest

from include.aws.clients import AwsClients
from include.config.account import AccountConfig
from include.config.model import parse_model_config
from include.config.suites import Suite
from include.evaluation.dataset import Record
from include.preflight.asking import collected
from include.preflight.input_checks import check_evaluation
from include.preflight.metric_checks import check_choices, check_metrics

HERE = "tests.unit.preflight.test_metric_checks"
RECORD = Record(0, "question", "Lima<OR>Quito", columns={"source": "x", "sorce": None})
ACCOUNT = AccountConfig(metric_packages="tests, other_package")


def half(record: Record, observation: Any) -> float:
    return 0.5


def several(record: Record, observation: Any, *, offset: float = 0.0) -> dict[str, float]:
    return {"tone": 0.25 + offset, "form": 1.0}


def found(account: AccountConfig = ACCOUNT, **settings: Any) -> list[tuple[str, str]]:
    suite = Suite.model_validate({"name": "s", "dataset": "d"} | settings)
    findings = [*check_choices("suite s", suite, [RECORD]), *check_metrics("suite s", suite, account, [RECORD])]
    return [(finding.which, finding.text()) for finding in findings]


def test_metrics_that_can_score_a_record_are_no_finding() -> None:
    metrics = ["f1", {"length": {"most": 3}}, f"{HERE}:half", {f"{HERE}:several": {"offset": 0.5}}]
    assert found(metrics=metrics, thresholds={"half": 0.5, "several.tone": 0.5, "length": 1}) == []


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("tests.absent:metric", "ModuleNotFoundError"),
        (f"{HERE}:absent", "AttributeError"),
        ({f"{HERE}:half": {"strict": True}}, "TypeError"),
        ({f"{HERE}:several": {"offset": 5}}, "a number from 0 to 1"),
        ("os.path:join", "Name its package in the Airflow Variable model_import_metric_packages"),
    ],
)
def test_a_metric_that_cannot_score_is_told_before_the_first_question(metric: Any, words: str) -> None:
    [(which, text)] = found(metrics=[metric])
    assert text.startswith("ERROR")
    assert which == (metric if isinstance(metric, str) else next(iter(metric)))
    assert words in text


def test_no_package_is_allowed_unless_the_account_names_it() -> None:
    [(_, text)] = found(AccountConfig(), metrics=[f"{HERE}:half"])
    assert "none is allowed" in text


def test_a_threshold_of_a_score_that_a_function_does_not_return_is_named() -> None:
    [(which, text)] = found(metrics=[f"{HERE}:several"], category_thresholds={"*": {"several.depth": 0.5}})
    assert which == "several.depth"
    assert "several.form, several.tone" in text


def test_the_further_questions_of_robustness_are_told() -> None:
    [(which, text)] = found(metrics=[{"robustness": {"change": "typos", "times": 3}}], thresholds={"robustness": 0.5})
    assert which == "robustness"
    assert text.startswith("INFO")
    assert "asks 3 further questions" in text


def test_preflight_says_how_many_further_questions_likelihood_and_perplexity_ask() -> None:
    metrics = [{"likelihood": {"labels": ["Lima", "Rome", "Bonn"]}}, "inverse_perplexity"]
    findings = found(metrics=metrics, thresholds={"likelihood.accuracy": 0.5, "inverse_perplexity": 0.1})
    assert [which for which, _ in findings] == ["likelihood", "inverse_perplexity"]
    assert "asks 3 further questions" in findings[0][1]
    assert "asks 2 further questions" in findings[1][1]


def test_a_prompt_that_no_answer_can_follow_is_an_error() -> None:
    suite = Suite.model_validate({"name": "s", "dataset": "d", "metrics": ["inverse_perplexity"]})
    [finding] = check_metrics("suite s", suite, ACCOUNT, [Record(0, "question ", "Lima")])
    assert finding.severity == "error"
    assert "a prompt that does not end with a blank" in finding.text()


def test_labels_of_which_a_record_accepts_none_are_an_error() -> None:
    for settings in ({"choices": ["Rome", "Bonn"]}, {"metrics": [{"likelihood": {"labels": ["Rome", "Bonn"]}}]}):
        [(which, text)] = found(**settings)
        assert which in ("choices", "likelihood")
        assert text.startswith("ERROR")
        assert "record 0 accepts 'Lima or Quito'" in text
    assert found(choices=["QUITO", "Rome"]) == []


def test_a_column_that_no_record_has_is_named() -> None:
    [(which, text)] = found(columns=["source", "sorce"])
    assert which == "sorce"
    assert "no record has this column" in text


def test_preflight_of_an_evaluation_checks_its_metrics() -> None:
    evaluation = {
        "dataset": "include/demo/capitals_eval.jsonl",
        "metrics": ["accuracy", f"{HERE}:half", f"{HERE}:absent"],
    }
    values = {"model_name": "m", "base": "b", "account": {"metric_packages": "tests"}, "evaluation": evaluation}
    checks = check_evaluation(parse_model_config(values, "a test"), AwsClients(lambda name: None))
    findings, _ = collected(checks)
    errors = {finding.which: finding.text() for finding in findings if finding.severity == "error"}
    assert list(errors) == ["accuracy", f"{HERE}:absent"]
    assert "at most 50 different first accepted answers" in errors["accuracy"]
