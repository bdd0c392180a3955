"""Accuracy, macro F1 and the confusion matrix, from a suite's answers to what a report shows."""

from __future__ import annotations

import pytest

from include.config.errors import ModelFileInvalidError
from include.config.model import parse_model_config
from include.evaluation.build_report import MeasuredOn, build_report
from include.evaluation.classification import Labelled, macro_f1
from include.evaluation.comparison import compare
from include.evaluation.dataset import Record
from include.evaluation.errors import LabelsUnusableError
from include.evaluation.metric_choice import MetricChoice
from include.evaluation.results import EvaluationReport, PromptSettings, RecordResult
from include.evaluation.suite_metrics import load_metrics, scored_with
from include.reporting.suites import confusion_table
from tests.support.record_results import record_result

ANSWERS = (("Spam", "spam"), ("ham", "It is ham"), ("ham", "spam"), ("ham", "no idea"), ("spam<OR>junk", "junk"))
RECORDS = [Record(index, f"question {index}", target) for index, (target, _) in enumerate(ANSWERS)]
PROMPT = PromptSettings(body_format="OpenAICompletion", prompt_template="{question}", max_tokens=16)


def scored(labels: list[str] | None = None) -> tuple[RecordResult, ...]:
    choice = MetricChoice.model_validate({"accuracy": {"labels": labels}} if labels else "accuracy")
    results = [
        record_result(index, answer, tuple(target.split("<OR>")), category="mail")
        for index, (target, answer) in enumerate(ANSWERS)
    ]
    return scored_with(load_metrics([choice], (), RECORDS), results, RECORDS)


def report(results: tuple[RecordResult, ...]) -> EvaluationReport:
    return build_report(MeasuredOn("arn", "d", "0", 5, 0, "c", PROMPT, 8, "s3://b/r.jsonl"), results, 1.0)


def test_labels_are_compared_in_any_case_and_any_accepted_one_is_right() -> None:
    assert [result.scores["accuracy"] for result in scored(["spam", "ham", "junk"])] == [1, 1, 0, 0, 1]
    assert [result.scores["accuracy"] for result in scored()] == [1, 1, 0, 0, 0]  # junk is not a first answer


def test_a_report_has_macro_f1_overall_and_per_category_and_the_confusion_matrix() -> None:
    found = report(scored(["spam", "ham", "junk"]))
    f1 = (2 / 3 + 2 / 4 + 1) / 3
    assert found.scores["macro_f1"] == pytest.approx(f1)
    assert found.categories[0].metrics["macro_f1"].value == pytest.approx(f1)
    assert EvaluationReport.model_validate_json(found.model_dump_json()) == found
    assert found.summary()["confusion"] == []  # it would fill the XCom
    table = confusion_table(found.confusion)
    assert table is not None
    assert table.given == ("ham", "junk", "spam", "unknown")
    assert table.rows == (("ham", (1, 0, 1, 1)), ("junk", (0, 1, 0, 0)), ("spam", (0, 0, 1, 0)))


def test_a_report_without_accuracy_has_neither() -> None:
    found = report((record_result(0, "Lima"),))
    assert "macro_f1" not in found.scores
    assert confusion_table(found.confusion) is None


def test_many_labels_are_shown_as_the_most_frequent_ones_and_the_rest() -> None:
    results = tuple(
        record_result(index, "x").model_copy(update={"expected_label": f"l{index % 20:02}", "given_label": "l00"})
        for index in range(60)
    )
    table = confusion_table(report(results).confusion)
    assert table is not None
    assert (len(table.rows), table.rows[-1][0]) == (12, "other labels")
    assert sum(sum(counts) for _, counts in table.rows) == 60


def test_macro_f1_has_an_interval_with_a_width_although_every_answer_is_right() -> None:
    right = [Labelled(label, label) for label in ("spam", "ham")]
    few, many = macro_f1(right * 8, 0), macro_f1(right * 80, 0)
    assert (few.value, few.high, many.value) == (1.0, 1.0, 1.0)
    assert 0.5 < few.low < 0.85 < many.low < 1


def test_macro_f1_can_have_a_threshold_and_accuracy_is_what_is_compared_with_the_champion() -> None:
    evaluation = {"dataset": "d", "metrics": ["accuracy"], "thresholds": {"macro_f1": 0.5}}
    config = parse_model_config({"model_name": "m", "base": "b", "evaluation": evaluation}, "test")
    assert config.suites[0].compared_metrics == ("accuracy",)
    results = scored()
    found = compare(results, results, config.suites[0].compared_metrics, margin=0.1, category_margin=0.1, seed=0)
    assert list(found.overall) == ["accuracy"]


@pytest.mark.parametrize("metrics", [["macro_f1"], ["accuracy", {"accuracy": {"as": "again"}}], ["f1"]])
def test_macro_f1_comes_with_accuracy_and_is_not_named_itself(metrics: list[object]) -> None:
    evaluation = {"dataset": "d", "metrics": metrics, "thresholds": {"macro_f1": 0.5}}
    with pytest.raises(ModelFileInvalidError, match=r"accuracy|macro_f1"):
        parse_model_config({"model_name": "m", "base": "b", "evaluation": evaluation}, "test")


@pytest.mark.parametrize(
    ("answers", "found"), [([f"answer{index}" for index in range(51)], "51"), (["spam", "no spam"], "no spam")]
)
def test_a_data_set_whose_answers_cannot_be_labels_is_refused(answers: list[str], found: str) -> None:
    records = [Record(index, "question", answer) for index, answer in enumerate(answers)]
    with pytest.raises(LabelsUnusableError, match=found):
        load_metrics([MetricChoice.model_validate("accuracy")], (), records)


def test_a_named_label_is_one_word() -> None:
    evaluation = {"dataset": "d", "metrics": [{"accuracy": {"labels": ["spam", "no spam"]}}]}
    with pytest.raises(ModelFileInvalidError, match=r"labels\.1: must be one word"):
        parse_model_config({"model_name": "m", "base": "b", "evaluation": evaluation}, "test")
