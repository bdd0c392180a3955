from __future__ import annotations

import pytest

from include.evaluation.build_report import MeasuredOn, as_markdown, build_report
from include.evaluation.errors import NoScoresError
from include.evaluation.metrics import METRICS
from include.evaluation.results import EvaluationReport, PromptSettings, RecordResult
from tests.support.record_results import record_result

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
PROMPT = PromptSettings(body_format="OpenAICompletion", prompt_template="{question}", max_tokens=16)
PLACE = MeasuredOn(ARN, "capitals.jsonl", "d1935", 4, 0, "c0ffee", PROMPT, 8, "s3://b/k.records.jsonl")
SOUTH = "South America"
RESULTS = (
    record_result(0, " Lima", ("Lima",), SOUTH, latency_seconds=1.0, output_tokens=2),
    record_result(1, "Dakar", ("Nairobi",), "Africa", latency_seconds=2.0, output_tokens=2),
    record_result(2, "santiago.", ("Santiago",), SOUTH, latency_seconds=3.0, output_tokens=6),
    record_result(3, None, ("x",), "a | b", "timeout", error="ModelTimeoutException"),
)


def report_of(results: tuple[RecordResult, ...] = RESULTS) -> EvaluationReport:
    return build_report(PLACE, results, seconds=7.25)


def test_scores_are_means_over_all_records_those_without_an_answer_included() -> None:
    report = report_of()
    assert report.records == 4
    assert report.scores == {
        "exact_match": 0.25,
        "quasi_exact_match": 0.5,
        "f1": 0.5,
        "precision": 0.5,
        "recall": 0.5,
        "answer_rate": 0.75,
    }
    assert report.statuses == {"answered": 3, "timeout": 1, "error": 0, "throttled": 0}


def test_each_category_has_its_own_metrics() -> None:
    found = {part.category: (part.records, part.metrics["f1"].value) for part in report_of().categories}
    assert found == {"Africa": (1, 0.0), SOUTH: (2, 1.0), "a | b": (1, 0.0)}


def test_latency_and_speed_are_those_of_the_answers_that_came() -> None:
    metrics = report_of().metrics
    assert (metrics["latency_p50"].value, metrics["latency_p95"].value) == (2.0, 3.0)
    assert metrics["latency_p50"].records == 3
    assert metrics["tokens_per_second"].value == pytest.approx((2 + 1 + 2) / 3)
    assert metrics["output_tokens"].value == pytest.approx(10 / 3)


def test_what_no_answer_reports_is_left_out() -> None:
    metrics = report_of((record_result(0, "Lima", latency_seconds=1.0),)).metrics
    assert metrics.keys() == METRICS.keys() - {"tokens_per_second", "output_tokens", "guardrail_intervened"}


def test_every_value_lies_in_its_interval() -> None:
    for one in report_of().metrics.values():
        assert one.low <= one.value <= one.high


def test_a_report_survives_json() -> None:
    report = report_of()
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_reports_and_records_from_before_suites_named_metrics_are_read() -> None:
    report, newer = report_of(), {"metrics_digest", "confusion", "changed_questions", "changed_unanswered"}
    assert EvaluationReport.model_validate_json(report.model_dump_json(exclude=newer)) == report
    for result in RESULTS:
        older = result.model_dump_json(exclude={"expected_label", "given_label"})
        assert RecordResult.model_validate_json(older) == result


def test_the_log_shows_scores_and_counts_and_nothing_that_was_asked_or_answered() -> None:
    lines = as_markdown(report_of()).splitlines()
    assert (
        lines[0] == "| category | records | exact_match | quasi_exact_match | f1 | precision | recall | answer_rate |"
    )
    assert lines[2].startswith("| **all** | 4 | 0.250 [0.00")
    assert "| South America | 2 | 0.500 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |" in lines
    assert any(line.startswith(r"| a \| b | 1 |") for line in lines)
    assert lines[-1] == "- records: 3 answered, 1 timeout"
    assert not any("question" in line or "antiago" in line for line in lines)


def test_the_summary_of_many_categories_stays_small_and_keeps_the_largest() -> None:
    results = [record_result(index, "Lima", category=f"c{index:03}") for index in range(100)]
    results += [record_result(index, "Lima", category="large") for index in range(100, 103)]
    report = report_of(tuple(results))
    kept = [part["category"] for part in report.summary()["categories"]]
    assert len(report.categories) == 101
    assert len(kept) == 50
    assert "large" in kept


def test_no_records_make_no_report() -> None:
    with pytest.raises(NoScoresError):
        build_report(PLACE, (), seconds=0)
