"""The metrics of docs/evaluation.md: its table, its settings, and a team's own metric as it is printed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.config.model import parse_model_config
from include.config.suites import Suite
from include.evaluation.dataset import Record
from include.evaluation.metric_choice import FURTHER, MetricChoice
from include.evaluation.record_metrics import RECORD_METRICS
from include.evaluation.suite_metrics import load_metrics, scored_with
from include.run.workspace import PROJECT_ROOT
from tests.support.record_results import record_result

PAGE = (PROJECT_ROOT / "docs/evaluation.md").read_text("utf-8")
SECTION = PAGE[PAGE.index("## Metrics\n") : PAGE.index("### Intervals\n")]


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.S)


def test_the_table_names_every_metric_and_no_other() -> None:
    named = re.findall(r"^\| (`.*?) \|", SECTION, re.MULTILINE)
    assert {name for cell in named for name in re.findall(r"`(\w+)`", cell)} >= {*RECORD_METRICS, *FURTHER}


def test_the_documented_metrics_are_those_of_a_models_file() -> None:
    [example, probabilities, _] = _blocks("yaml")
    assert _compared(example) == ("f1", "json_schema", "brief")
    assert _compared(probabilities) == ("likelihood", "inverse_perplexity")


def _compared(example: str) -> tuple[str, ...]:
    config = parse_model_config({"model_name": "m", "base": "b", **yaml.safe_load(example)}, "the documentation")
    return Suite.of(config.evaluation).compared_metrics


def test_the_documented_metric_of_a_team_has_ten_lines_and_scores_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = _blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    path = tmp_path / code.splitlines()[0].strip('"')
    path.parent.mkdir()
    path.write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    [_, _, settings] = _blocks("yaml")
    entries: list[Any] = yaml.safe_load(settings)["evaluation"]["metrics"]
    try:
        loaded = load_metrics([MetricChoice.model_validate(entry) for entry in entries], ("team_metrics",))
        results = [record_result(0, "Dear customer, it is Lima."), record_result(1, "Lima!")]
        records = [Record(index, f"question {index}", "Lima") for index in range(2)]
        scored = scored_with(loaded, results, records)
    finally:
        for name in [name for name in sys.modules if name.startswith("team_metrics")]:
            del sys.modules[name]
    found = [[result.scores[f"polite.{name}"] for name in ("greets", "calm")] for result in scored]
    assert found == [[1.0, 1.0], [0.0, 0.0]]
