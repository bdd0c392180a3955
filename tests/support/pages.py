"""Report pages for tests: two models that answered the same 120 questions."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from include.config.model import ModelConfig, parse_model_config
from include.evaluation.build_report import MeasuredOn, build_report
from include.evaluation.comparison import compare
from include.evaluation.results import PromptSettings, RecordResult
from include.promotion.decision import ChampionMeasured, compared_metrics, decide_promotion
from include.reporting.content import Measured, ReportContent, build_content
from tests.support.record_results import record_result

CATEGORIES = ("Africa", "Asia", "Europe", "North America", "Oceania", "South America")
Right = Callable[[int, str], bool]


def config(**changes: Any) -> ModelConfig:
    evaluation = {"dataset": "d", "thresholds": {"f1": 0.5}}
    return parse_model_config({"model_name": "capitals", "base": "b", "evaluation": evaluation} | changes, "test")


def answers(right: Right, seconds: float, texts: Mapping[int, str] | None = None) -> list[RecordResult]:
    """120 records, the categories taking turns; ``texts`` gives the answer of some."""
    chance = random.Random(seconds)
    return [
        record_result(
            index,
            (texts or {}).get(index) or ("Lima" if right(index, CATEGORIES[index % 6]) else "Quito"),
            category=CATEGORIES[index % 6],
            latency_seconds=seconds * (1 + chance.random()),
            output_tokens=4,
        )
        for index in range(120)
    ]


def measured(name: str, results: list[RecordResult]) -> Measured:
    prompt = PromptSettings(body_format="OpenAICompletion", prompt_template="[INST] {question} [/INST]", max_tokens=16)
    on = MeasuredOn(
        "arn", "capitals_eval.jsonl", "0" * 64, len(results), 0, "c", prompt, 8, "s3://bucket/records.jsonl"
    )
    return Measured(name, build_report(on, results, 12.0), results)


def content(candidate: list[RecordResult], champion: list[RecordResult] | None, **facts: Any) -> ReportContent:
    rules = config()
    new, old = measured("this version", candidate), None
    comparison, rival = None, None
    if champion is not None:
        old = measured("champion version 3", champion)
        comparison = compare(candidate, champion, compared_metrics(rules), margin=0.02, category_margin=0.1, seed=0)
        rival = ChampionMeasured(number=3, fingerprint="old", comparison=comparison)
    decision = decide_promotion(rules, "new", new.report, rival)
    known = {
        "model_name": "capitals",
        "description": "Answers with the capital of a country",
        "version": 4,
        "status": decision.status,
        "answer": "",
        "compared": "f1",
        "costs": ("1 Custom Model Unit(s) v1.0: 0.2870 USD per copy and 5 minutes of use",),
        "provenance": (
            ("Imported model", "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"),
            ("Fingerprint", "0123456789abcdef" * 4),
            ("DAG run", "https://airflow.example/dags/import_capitals/runs/manual__2026-11-22T10:00:00+00:00"),
        ),
    }
    return build_content(new, old, comparison, decision, known | facts)


def regressed_page() -> ReportContent:
    """Better than the champion on the whole, but Oceania broke."""
    return content(
        answers(lambda _, category: category != "Oceania", 0.2),
        answers(lambda index, category: category == "Oceania" or index % 3 > 0, 0.3),
    )
