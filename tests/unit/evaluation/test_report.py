from __future__ import annotations

from pathlib import Path

import pytest

from include.evaluation.dataset import Dataset, Record
from include.evaluation.errors import NoScoresError
from include.evaluation.invocation import AnsweredRecord, EvaluationResult
from include.evaluation.qa_accuracy import QaScores
from include.evaluation.report import CategoryScores, EvaluationReport, WrongAnswer, build_report
from include.evaluation.responses import Answer

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
PERFECT = QaScores(1.0, 1.0, 1.0, 1.0, 1.0)
NOTHING = QaScores(0.0, 0.0, 0.0, 0.0, 0.0)
RECORDS = (
    Record(0, "Capital of Peru?", "Lima", "South America"),
    Record(1, "Capital of Kenya?", "Nairobi", "Africa"),
    Record(2, "Capital of Chile?", "Santiago", "South America"),
    Record(3, "Name | it", "x", None),
)
TEXTS = (" Lima", "Dakar", "santiago.", "a | b\nc")


def result_of(texts: tuple[str, ...], records: tuple[Record, ...] = RECORDS) -> EvaluationResult:
    answers = tuple(
        AnsweredRecord(record, Answer(text, "stop", 3, 2, "OpenAICompletion"), latency_seconds=1.0 + record.index)
        for record, text in zip(records, texts, strict=True)
    )
    return EvaluationResult(ARN, "{question}", 16, "OpenAICompletion", answers, asked=len(answers), seconds=7.25)


def report_of(texts: tuple[str, ...] = TEXTS) -> EvaluationReport:
    return build_report(Dataset("capitals.jsonl", "d1935", RECORDS), result_of(texts))


def test_the_scores_are_means_over_all_records_and_over_each_category() -> None:
    report = report_of()
    assert report.records == 4
    assert report.scores == QaScores(exact_match=0.25, quasi_exact_match=0.5, f1=0.5, precision=0.5, recall=0.5)
    assert report.categories == (
        CategoryScores(category="Africa", records=1, scores=NOTHING),
        CategoryScores(category="South America", records=2, scores=QaScores(0.5, 1.0, 1.0, 1.0, 1.0)),
    )


def test_latencies_are_ones_that_were_measured() -> None:
    report = report_of()
    assert (report.latency_p50_seconds, report.latency_p95_seconds) == (2.0, 4.0)


def test_a_few_wrong_answers_are_shown_with_what_was_expected() -> None:
    assert report_of().wrong_answers == (
        WrongAnswer(question="Capital of Kenya?", expected="Nairobi", found="Dakar"),
        WrongAnswer(question="Name | it", expected="x", found="a | b\nc"),
    )
    records = tuple(Record(index, "q", "a") for index in range(50))
    result = result_of(("wrong",) * 50, records)
    assert len(build_report(Dataset("d", "1", records), result).wrong_answers) == 5


def test_a_report_survives_json() -> None:
    report = report_of()
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_the_markdown_has_a_table_of_scores_and_one_of_wrong_answers() -> None:
    lines = report_of().to_markdown().splitlines()
    assert lines[0] == "| category | records | exact_match | quasi_exact_match | f1 | precision | recall |"
    assert "| **all** | 4 | 0.250 | 0.500 | 0.500 | 0.500 | 0.500 |" in lines
    assert "| South America | 2 | 0.500 | 1.000 | 1.000 | 1.000 | 1.000 |" in lines
    assert r"| Name \| it | x | a \| b c |" in lines
    assert any(ARN in line for line in lines)
    assert any("capitals.jsonl" in line and "d1935" in line for line in lines)


def test_the_markdown_of_a_faultless_model_ends_with_the_facts() -> None:
    report = report_of((" Lima", "Nairobi", "Santiago", "x"))
    assert report.scores == PERFECT
    assert report.to_markdown().splitlines()[-1] == "- Duration: 7.2 s"


def test_no_answers_make_no_report(tmp_path: Path) -> None:
    with pytest.raises(NoScoresError):
        build_report(Dataset("d", "1", ()), result_of((), ()))
