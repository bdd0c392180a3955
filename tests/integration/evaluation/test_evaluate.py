from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import TypeVar

import pyarrow
import pytest
from pyarrow import parquet
from transformers.data.metrics.squad_metrics import compute_exact, compute_f1, get_tokens

from include.aws.clients import AwsClients
from include.config.model import ModelConfig
from include.evaluation.dataset import read_dataset
from include.evaluation.errors import DatasetNotFoundError, DatasetUnreadableError, NothingAnsweredError
from include.evaluation.results import EvaluationReport, RecordResult
from include.evaluation.storage import read_records, read_report, write_lines, write_model
from include.promotion.suite_findings import SuiteMeasured, threshold_findings
from include.run.plan import ImportPlan
from include.steps.evaluate import is_measured, measure, measure_suites
from include.steps.results import EvaluationResult
from tests.support.bedrock_stand_in import BUCKET, Aws
from tests.support.evaluations import CAPITALS, DEMO, plan_in

Plans = Callable[..., ImportPlan]
T = TypeVar("T")


def stored(clients: AwsClients, summary: EvaluationResult) -> tuple[EvaluationReport, list[RecordResult]]:
    report = read_report(clients.s3, summary.report_uri)
    assert report is not None
    return report, list(read_records(clients.s3, report.records_uri))


@pytest.fixture(scope="module")
def whole(
    model: str, clients: AwsClients, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EvaluationReport, list[RecordResult], str]:
    """Report, record results and log of the whole demo set."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda line: lines.append(line.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("include")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        summary = measure(plan_in(tmp_path_factory.mktemp("whole")), model, clients)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    return *stored(clients, summary), "\n".join(lines)


def asked_by_hand(aws: Aws, model: str) -> Iterator[tuple[str, list[str]]]:
    """The answer of the model to each line of the demo set, and those that are accepted: boto3 and nothing of ours."""
    for line in (DEMO / "capitals_eval.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        answer = aws.invoke(model, prompt=f"[INST] {row['question']} [/INST]", max_tokens=16, temperature=0)
        yield answer["choices"][0]["text"], row["answer"].split("<OR>")


def test_an_independent_run_with_boto3_and_the_squad_metrics_finds_the_same(
    aws: Aws, model: str, whole: tuple[EvaluationReport, list[RecordResult], str]
) -> None:
    report, results, _ = whole
    by_hand = list(asked_by_hand(aws, model))
    assert [result.answer for result in results] == [text for text, _ in by_hand]
    exact = [max(compute_exact(one, text) for one in accepted) for text, accepted in by_hand]
    assert [result.scores["quasi_exact_match"] for result in results] == exact
    assert report.scores["quasi_exact_match"] == pytest.approx(fmean(exact))
    # SQuAD counts a word as often as it comes, FMEval once: they agree where the answer repeats none.
    plain = [index for index, (text, _) in enumerate(by_hand) if len(set(get_tokens(text))) == len(get_tokens(text))]
    f1 = [max(compute_f1(one, by_hand[index][0]) for one in by_hand[index][1]) for index in plain]
    assert [results[index].scores["f1"] for index in plain] == pytest.approx(f1)
    assert len(plain) > 110
    assert 0.4 < report.scores["f1"] < 0.85


def test_the_report_says_what_was_asked_how_and_what_it_cost(
    whole: tuple[EvaluationReport, list[RecordResult], str],
) -> None:
    report, results, log = whole
    assert (report.records, report.dataset_records, report.sampled) == (120, 120, False)
    assert report.statuses == {"answered": 120, "timeout": 0, "error": 0, "throttled": 0}
    assert {part.category for part in report.categories} >= {"Africa", "Asia", "Europe"}
    assert sum(part.records for part in report.categories) == 120
    assert report.metrics["f1"].low < report.metrics["f1"].value < report.metrics["f1"].high
    assert 1 <= report.metrics["output_tokens"].value <= 16
    assert re.match(r"\d windows? of 5 minutes of one model copy: 0\.\d+ USD", report.cost_summary)
    assert [result.index for result in results] == list(range(120))
    assert "Asking 120 records; expected at most 1 window" in log
    assert "120 of 120 records, 0 failed, " in log
    assert results[0].question not in log


def test_every_suite_is_measured_once_and_its_cost_is_told_before_the_first_question(
    model: str, clients: AwsClients, plan_for: Plans, caplog: pytest.LogCaptureFixture
) -> None:
    plan = _with_suites(plan_for(sample=6))
    with caplog.at_level(logging.INFO, "include"):
        found = measure_suites(plan, model, clients)
    assert (found.suite, found.records, list(found.other_uris)) == ("task", 6, ["general"])
    assert (found.others[0].records, found.others[0].prompt.prompt_template) == (5, "{question}")
    told = [line for line in caplog.messages if line.startswith(("To do in suite", "Suite "))]
    assert re.match(r"To do in suite task: Asking 6 records; expected at most 1 window", told[0])
    assert re.match(r"To do in suite general: Asking 5 records; expected at most 1 window", told[1])
    assert re.match(r"Suite task: asked 6 records in [\d.]+ s; used 1 window", told[3])
    assert re.match(r"Suite general: asked 5 records in [\d.]+ s; used 1 window", told[5])
    assert is_measured(plan, model, clients)
    assert measure_suites(plan, model, clients) == found


def test_a_champions_answers_in_a_suite_are_found_beside_its_report(
    model: str, clients: AwsClients, plan_for: Plans, tmp_path: Path
) -> None:
    first = measure_suites(_with_suites(plan_for(sample=6)), model, clients)
    later = _with_suites(plan_in(tmp_path / "later", sample=6))
    found = measure(later, model, clients, later.config.suites[1], beside=first.report_uri)
    assert found == first.others[0]


def _with_suites(plan: ImportPlan) -> ImportPlan:
    task = plan.config.evaluation.model_dump(exclude_unset=True) | {"name": "task"}
    general = {"name": "general", "effect": "blocks", "dataset": CAPITALS["dataset"], "sample": 5, "seed": 3}
    values = plan.config.model_dump(exclude_unset=True, exclude={"evaluation"})
    config = ModelConfig.model_validate(values | {"evaluations": [task, general | {"max_tokens": 16}]})
    return plan.model_copy(update={"config": config})


def test_what_was_measured_is_found_again_and_another_way_of_asking_is_not(
    aws: Aws, model: str, clients: AwsClients, plan_for: Plans, tmp_path: Path
) -> None:
    first = measure(plan_for(sample=20), model, clients)
    (tmp_path / "answers.jsonl").unlink()
    aws.script("fixed-answer", text="Nowhere")
    assert measure(plan_for(sample=20), model, clients) == first
    other = measure(plan_for(sample=20, prompt_template="{question}"), model, clients)
    assert other.scores["f1"] == 0.0
    assert other.conditions_digest != first.conditions_digest
    assert measure(plan_for(sample=20, concurrency=2), model, clients) == first


def test_metrics_named_later_are_scored_from_the_stored_answers_and_nothing_is_asked(
    aws: Aws, model: str, clients: AwsClients, plan_for: Plans, tmp_path: Path
) -> None:
    plain = measure(plan_for(sample=20), model, clients)
    (tmp_path / "answers.jsonl").unlink()
    aws.script("fixed-answer", text="Nowhere")
    brief = {"length": {"most": 3, "as": "brief"}}
    plan = plan_for(sample=20, metrics=["f1", brief])
    assert is_measured(plan, model, clients)
    named = measure(plan, model, clients)
    results = stored(clients, named)[1]
    assert [result.answer for result in results] == [result.answer for result in stored(clients, plain)[1]]
    assert [result.scores["brief"] for result in results] == [len(result.answer.split()) <= 3 for result in results]
    assert named.scores == {**plain.scores, "brief": fmean(result.scores["brief"] for result in results)}
    assert (named.conditions_digest, named.cost_summary) == (plain.conditions_digest, plain.cost_summary)
    other = measure(plan_for(sample=20, metrics=[{"length": {"most": 1, "as": "brief"}}]), model, clients)
    assert other.scores["brief"] < named.scores["brief"]
    assert measure(plan, model, clients) == named
    assert measure(plan_for(sample=20), model, clients) == plain


def test_robustness_asks_changed_questions_once_and_compares_their_scores(
    aws: Aws, model: str, clients: AwsClients, plan_for: Plans, caplog: pytest.LogCaptureFixture
) -> None:
    robust = {"robustness": {"change": "case", "times": 2}}
    plain = measure(plan_for(sample=6), model, clients)
    plan = plan_for(sample=6, metrics=["f1", robust])
    assert not is_measured(plan, model, clients)
    caplog.clear()
    with caplog.at_level(logging.INFO, "include"):
        found = measure(plan, model, clients)
    assert "asked 12 records" in caplog.text
    assert "asked 6 records" not in caplog.text
    assert (found.records, found.changed_questions, found.changed_unanswered) == (6, 12, 0)
    assert found.cost_summary.count("1 window of") == 2
    asked = dict(zip(("plain", "changed"), sorted(_answered(clients, plan), key=len), strict=True))
    scores = [result.scores["f1"] for result in asked["plain"]]
    changed = [result.scores["f1"] for result in asked["changed"]]
    assert all(new.question != old.question for old, new in zip(asked["plain"], asked["changed"][::2], strict=True))
    by_hand = [1 - (abs(one - changed[2 * i]) + abs(one - changed[2 * i + 1])) / 2 for i, one in enumerate(scores)]
    assert found.scores["robustness"] == pytest.approx(fmean(by_hand))
    assert plain.scores.items() <= found.scores.items()

    aws.script("fixed-answer", text="Nowhere")
    again = plan_for(sample=6, metrics=["exact_match", "answer_rate", robust, {"length": {"most": 9}}])
    assert is_measured(again, model, clients)
    assert measure(again, model, clients).scores["robustness"] == found.scores["robustness"]


def _answered(clients: AwsClients, plan: ImportPlan) -> Iterator[list[RecordResult]]:
    """The stored answers without named metrics of a plan: one list for each set of questions."""
    listed = clients.s3.list_objects_v2(Bucket=plan.bucket, Prefix=f"{plan.evaluation_prefix}/")["Contents"]
    for key in (one["Key"] for one in listed if re.search(r"/[0-9a-f]{12}\.records\.jsonl$", one["Key"])):
        yield list(read_records(clients.s3, f"s3://{plan.bucket}/{key}"))


def test_records_that_failed_are_asked_again_and_only_they(
    aws: Aws, model: str, clients: AwsClients, plan_for: Plans, tmp_path: Path
) -> None:
    aws.script("fail-calls", calls=6, operation="InvokeModel", code="ValidationException")
    first = measure(plan_for(sample=20), model, clients)
    assert (first.statuses["error"], first.scores["answer_rate"]) == (6, pytest.approx(14 / 20))
    (tmp_path / "answers.jsonl").unlink()
    aws.script("clear-faults")
    aws.script("fixed-answer", text="Cairo")
    again = measure(plan_for(sample=20), model, clients)
    report, results = stored(clients, again)
    assert report.statuses["answered"] == 20
    assert sum(result.answer == "Cairo" for result in results) == 6


@pytest.mark.parametrize("body_format", ["OpenAICompletion", "BedrockCompletion", "OpenAIChatCompletion", "Converse"])
def test_every_way_of_asking_brings_the_same_answers(
    model: str, clients: AwsClients, plan_for: Plans, body_format: str
) -> None:
    chat = body_format in ("OpenAIChatCompletion", "Converse")
    template = "{question}" if chat else "[INST] {question} [/INST]"
    summary = measure(plan_for(body_format=body_format, prompt_template=template, sample=12), model, clients)
    report, results = stored(clients, summary)
    assert (report.records, report.dataset_records, report.sampled) == (12, 120, True)
    assert summary.body_format == body_format
    reference = stored(clients, measure(plan_for(sample=12), model, clients))[1]
    assert [result.answer for result in results] == [result.answer for result in reference]


def test_stop_sequences_and_examples_reach_the_model(model: str, clients: AwsClients, plan_for: Plans) -> None:
    whole = stored(clients, measure(plan_for(sample=20), model, clients))[1]
    cut = stored(clients, measure(plan_for(sample=20, stop=["a"]), model, clients))[1]
    assert [result.answer for result in cut] == [result.answer.split("a")[0] for result in whole]
    examples = {"few_shot_dataset": "include/demo/capitals_train.jsonl", "few_shot_examples": 2}
    shown, results = stored(clients, measure(plan_for(sample=20, **examples), model, clients))
    assert len(shown.prompt.examples) == 2
    pairs = zip(results, whole, strict=True)
    assert all((new.input_tokens or 0) > (old.input_tokens or 0) + 10 for new, old in pairs)


def test_a_data_set_in_s3_is_measured_as_a_file_is(
    aws: Aws, model: str, clients: AwsClients, plan_for: Plans, tmp_path: Path
) -> None:
    rows = [
        {"q": {"text": record.question}, "right": list(record.accepted_answers), "region": record.category}
        for record in read_dataset(DEMO / "capitals_eval.jsonl").records
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "capitals.parquet")
    aws.client("s3").upload_file(str(tmp_path / "capitals.parquet"), BUCKET, "sets/capitals.parquet")
    places = {"question_location": "q.text", "answer_location": "right", "category_location": "region"}
    in_s3 = measure(plan_for(sample=20, dataset=f"s3://{BUCKET}/sets/capitals.parquet", **places), model, clients)
    local = measure(plan_for(sample=20), model, clients)
    assert in_s3.scores == local.scores
    assert in_s3.conditions_digest == local.conditions_digest
    assert in_s3.dataset_digest != local.dataset_digest


def test_a_data_set_that_is_not_in_s3_or_not_ours_to_read_is_told_apart(
    model: str, aws: Aws, clients: AwsClients, plan_for: Plans
) -> None:
    for uri in (f"s3://{BUCKET}/none.jsonl", "s3://no-such-bucket-here/none.jsonl"):
        with pytest.raises(DatasetNotFoundError, match=uri):
            measure(plan_for(dataset=uri), model, clients)
    with pytest.raises(DatasetUnreadableError, match="Invalid bucket name"):
        measure(plan_for(dataset="s3://a b/none.jsonl"), model, clients)


@pytest.mark.parametrize(("blocked", "effect"), [("capital", "passes"), ("Egypt", "blocks")])
def test_a_suite_can_require_that_a_guardrail_stops_its_questions(
    aws: Aws, model: str, clients: AwsClients, plan_for: Plans, blocked: str, effect: str
) -> None:
    aws.script("guardrail", identifier="harm", version="1", blocked=[blocked], message="No.")
    asked = {"sample": 4, "guardrail_id": "harm", "guardrail_version": "1", "thresholds": {"guardrail_intervened": 1.0}}
    plan = plan_for(**asked, seed=15 if blocked == "Egypt" else 16)
    report, _ = stored(clients, measure(plan, model, clients))
    [finding] = threshold_findings(SuiteMeasured(suite=plan.config.suites[0], report=report))
    assert finding.effect == effect


def test_answers_stored_before_a_score_was_measured_are_scored_again_and_not_asked_again(
    aws: Aws, model: str, clients: AwsClients, plan_for: Plans, tmp_path: Path
) -> None:
    aws.script("guardrail", identifier="harm", version="1", blocked=["capital"], message="No.")
    guarded = {"sample": 4, "guardrail_id": "harm", "guardrail_version": "1"}
    first = measure(plan_for(**guarded), model, clients)
    report, results = stored(clients, first)
    older = [it.model_copy(update={"scores": _without_interventions(it.scores)}) for it in results]
    write_lines(clients.s3, report.records_uri, older)
    write_model(
        clients.s3, first.report_uri, report.model_copy(update={"metrics": _without_interventions(report.metrics)})
    )
    (tmp_path / "answers.jsonl").unlink()
    aws.script("fixed-answer", text="Nowhere")
    again = measure(plan_for(**guarded, thresholds={"guardrail_intervened": 1.0}), model, clients)
    assert again == first
    assert stored(clients, again) == (report, results)


def _without_interventions(scores: Mapping[str, T]) -> dict[str, T]:
    return {name: value for name, value in scores.items() if name != "guardrail_intervened"}


@pytest.mark.parametrize(
    ("body_format", "template"),
    [("OpenAICompletion", "[INST] {question} [/INST]"), ("BedrockCompletion", "[INST] {question} [/INST]"),
     ("OpenAIChatCompletion", "{question}"), ("Converse", "{question}")],
)  # fmt: skip
def test_what_a_guardrail_blocks_is_counted(
    aws: Aws, model: str, clients: AwsClients, plan_for: Plans, body_format: str, template: str
) -> None:
    aws.script("guardrail", identifier="abc123", version="2", blocked=["Egypt"], message="No.")
    asked = {"sample": 4, "seed": 15, "body_format": body_format, "prompt_template": template}
    guarded, results = stored(
        clients, measure(plan_for(**asked, guardrail_id="abc123", guardrail_version="2"), model, clients)
    )
    about_egypt = [result for result in results if "Egypt" in result.question]
    assert guarded.guardrail_interventions == len(about_egypt) >= 1
    assert {result.answer for result in about_egypt} == {"No."}
    assert guarded.statuses["answered"] == 4
    assert guarded.metrics["guardrail_intervened"].value == len(about_egypt) / 4
    categories = {part.category: part.metrics["guardrail_intervened"].value for part in guarded.categories}
    assert {name for name, value in categories.items() if value} == {result.category for result in about_egypt}
    with pytest.raises(NothingAnsweredError, match="no guardrail abc124 of version 2"):
        measure(plan_for(**asked, guardrail_id="abc124", guardrail_version="2"), model, clients)
