"""The comparison with the champion is made by the decision, stored beside the records, and only read afterwards."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from include.aws.clients import AwsClients
from include.aws.s3_uri import S3Uri
from include.evaluation.comparison import Comparison
from include.evaluation.storage import read_comparison, store_comparison
from include.steps.decide import decide
from include.steps.report import write_report
from include.steps.results import Answer, ChampionResult, EvaluationResult
from tests.support.promotion_runs import RUN_URL, Runs, early, finished, weak

BY_MARIA = Answer(approved=True, by="Maria", at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC))


class CountingS3:
    """An S3 client that counts the objects it reads, by the end of their keys."""

    def __init__(self, s3: Any) -> None:
        self._s3, self.reads = s3, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def get_object(self, **request: Any) -> Any:
        kind = request["Key"].rpartition("/")[2].partition(".")[2].partition("-")[0]
        self.reads[kind] += 1
        return self._s3.get_object(**request)


@pytest.fixture
def counting(runs: Runs) -> CountingS3:
    """The runs' S3 client from here on."""
    plain = runs.clients
    s3 = CountingS3(plain.s3)
    runs.clients = AwsClients(lambda service: s3 if service == "s3" else getattr(plain, service.replace("-", "_")))
    return s3


def comparison_uri(done: dict[str, Any]) -> str:
    return str(done["decide_promotion"]["comparison_uri"])


def stored(runs: Runs, done: dict[str, Any]) -> Comparison:
    comparison = read_comparison(runs.clients.s3, comparison_uri(done))
    assert comparison is not None
    return comparison


def test_report_and_answer_read_the_records_once_each_and_the_comparison_from_s3(
    runs: Runs, counting: CountingS3
) -> None:
    runs.run(runs.plan(), early)
    plan = runs.plan(promotion="manual")
    counting.reads.clear()
    decided = runs.decided(plan, finished)
    assert (counting.reads["records.jsonl"], counting.reads["against"]) == (2, 0)
    counting.reads.clear()
    done = runs.registered(plan, decided)
    assert (counting.reads["records.jsonl"], counting.reads["against"]) == (0, 0)
    counting.reads.clear()
    done["record_answer"] = runs.answer(plan, done, BY_MARIA)
    assert not counting.reads
    clients = AwsClients(lambda name: counting if name == "s3" else getattr(runs.clients, name))
    write_report(plan, runs.reported(done), RUN_URL, clients)
    assert (counting.reads["records.jsonl"], counting.reads["against"]) == (2, 1)


def test_the_report_shows_the_stored_comparison(runs: Runs) -> None:
    runs.run(runs.plan(), early)
    plan = runs.plan()
    done = runs.run(plan, finished)
    assert "Broken: 0" in runs.page(plan, done)
    comparison = stored(runs, done)
    assert (len(comparison.fixed), comparison.broken) == (40, ())
    edited = comparison.model_copy(update={"broken": comparison.fixed[:7]})
    store_comparison(runs.clients.s3, comparison_uri(done), edited)
    assert "Broken: 7" in runs.page(plan, done)


def test_deciding_again_overwrites_the_comparison(runs: Runs) -> None:
    runs.run(runs.plan(), early)
    plan = runs.plan()
    decided = runs.decided(plan, finished)
    first = stored(runs, decided)
    store_comparison(runs.clients.s3, comparison_uri(decided), first.model_copy(update={"fixed": ()}))
    champion = ChampionResult.model_validate(decided["evaluate_champion"])
    decide(plan, EvaluationResult.model_validate(decided["evaluate_model"]), champion, runs.clients)
    assert stored(runs, decided) == first


def test_a_decision_against_a_changed_champion_has_a_comparison_of_its_own(runs: Runs) -> None:
    low = {"evaluation": {"dataset": "include/demo/capitals_eval.jsonl", "thresholds": {"f1": 0.2}}}
    runs.run(runs.plan(**low), weak)
    slow = runs.plan(**low)
    decided = runs.decided(slow, early)
    runs.run(runs.plan(), finished)
    late = runs.registered(slow, decided)
    assert len({comparison_uri(decided), comparison_uri(late)}) == 2
    assert (len(stored(runs, decided).broken), len(stored(runs, late).broken)) == (0, 40)
    assert "Broken: 40" in runs.page(slow, late)


def test_a_report_is_written_when_the_stored_comparison_is_missing(runs: Runs) -> None:
    runs.run(runs.plan(), early)
    plan = runs.plan()
    done = runs.run(plan, finished)
    page = runs.page(plan, done)
    runs.clients.s3.delete_object(**S3Uri.parse(comparison_uri(done)).arguments)
    assert runs.page(plan, done) == page


def test_without_a_champion_there_is_no_comparison(runs: Runs) -> None:
    done = runs.run(runs.plan(), finished)
    assert comparison_uri(done) == ""
