"""The base model beside champion and candidate: asked once, found by every later version, and never needed."""

from __future__ import annotations

import logging
import re

import pytest

from include.evaluation.storage import read_report
from include.run.plan import ImportPlan
from include.steps.baseline import measure_baseline, stored_baseline
from tests.support.bedrock_stand_in import BUCKET, Aws
from tests.support.promotion_runs import Runs, finished

ASKED = {"dataset": "include/demo/capitals_eval.jsonl", "sample": 3, "max_tokens": 2}


def _plan(runs: Runs, baseline: str | None = "served", **evaluation: object) -> ImportPlan:
    return runs.plan(comparison={"baseline": baseline}, evaluation=ASKED | evaluation)


def test_the_baseline_is_asked_once_per_data_set_and_prompt_and_every_version_is_shown_beside_it(
    aws: Aws, runs: Runs, model_arn: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = _plan(runs), _plan(runs, model_arn)
    assert stored_baseline(first, runs.clients) is None
    with caplog.at_level(logging.INFO, "include"):
        measure_baseline(first, runs.clients)
        assert caplog.text.count("asked 3 records") == 1
        measure_baseline(second, runs.clients)
        assert caplog.text.count("asked 3 records") == 1
        assert "asked 0 records" not in caplog.text
        measure_baseline(_plan(runs, max_tokens=1), runs.clients)
        assert caplog.text.count("asked 3 records") == 2
    [kept] = {
        measured.report.records_uri for plan in (first, second) if (measured := stored_baseline(plan, runs.clients))
    }
    assert re.match(rf"s3://{BUCKET}/(.+/)?{runs.group}/baseline/[0-9a-f]{{12}}\.records\.jsonl", kept)
    report = read_report(runs.clients.s3, kept.replace(".records.jsonl", ".json"))
    assert report is not None
    assert (report.model_arn, report.records) == (model_arn, 3)

    page = runs.page(second, runs.run(second, finished))
    assert f'<th scope="col">baseline {model_arn.rpartition("/")[2]}</th><th scope="col">this version</th>' in page


def test_a_baseline_that_cannot_be_asked_is_left_out_and_stops_nothing(
    aws: Aws, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    aws.script("fail-calls", calls=3, operation="InvokeModel", code="ValidationException")
    for plan, reason in (
        (_plan(runs, "absent"), "The baseline is not imported"),
        (_plan(runs), "answered no question"),
    ):
        caplog.clear()
        measure_baseline(plan, runs.clients)
        assert reason in caplog.text
    aws.script("clear-faults")
    absent = _plan(runs, "absent")
    assert "baseline" not in runs.page(absent, runs.run(absent, finished))


def test_without_a_baseline_nothing_is_asked(runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        measure_baseline(_plan(runs, None), runs.clients)
        assert stored_baseline(_plan(runs, None), runs.clients) is None
    assert caplog.text == ""
