from __future__ import annotations

import json
from typing import Any

import pytest

from include.config.bedrock_evaluation import EvaluatorMetric
from include.judging.evaluation_job import (
    EvaluationJobPlace,
    EvaluationJobSettings,
    answers_to_evaluate,
    evaluation_job_place,
    job_digest,
    job_name,
    job_request,
)
from include.local_aws.request_validation import validate_input
from include.run.names import CLIENT_REQUEST_TOKEN, MAX_NAME_LENGTH
from tests.support.judging import results_of

SETTINGS = EvaluationJobSettings("amazon.nova-pro-v1:0", ("Correctness", "Helpfulness"))
ROLE = "arn:aws:iam::123456789012:role/evaluation"
PLACE = EvaluationJobPlace("s3://bucket/m/0123456789ab/evaluations/one.bedrock-abc.json")


def answers(*texts: str | None, suite: str = "main", most: int = 100) -> Any:
    return answers_to_evaluate(results_of(texts), suite, "served-1", most, seed=0)


def test_a_request_is_one_that_the_service_model_admits() -> None:
    request = job_request("m-0123456789abcdef01", ROLE, answers("Lima"), SETTINGS, PLACE)
    assert validate_input("bedrock", "CreateEvaluationJob", request) == []
    [data_set] = request["evaluationConfig"]["automated"]["datasetMetricConfigs"]
    assert data_set["metricNames"] == ["Builtin.Correctness", "Builtin.Helpfulness"]
    assert data_set["dataset"]["datasetLocation"]["s3Uri"] == PLACE.data_set_uri


def test_every_metric_of_a_models_file_is_one_that_the_service_model_admits() -> None:
    metrics = EvaluationJobSettings("m.n", EvaluatorMetric.__args__)  # type: ignore[attr-defined]
    assert (
        validate_input("bedrock", "CreateEvaluationJob", job_request("m-1", ROLE, answers("x"), metrics, PLACE)) == []
    )


def test_each_line_has_one_answer_and_a_category_only_where_there_is_one() -> None:
    results = results_of(["Lima", "Quito"])
    results[1] = results[1].model_copy(update={"category": "Andes", "accepted_answers": ("Quito", "San Francisco")})
    found = answers_to_evaluate(results, "main", "served-1", 100, seed=0)
    lines = [json.loads(line) for line in found.body.splitlines()]
    assert found.records == len(lines) == 2
    assert "category" not in lines[0]
    assert (lines[1]["category"], lines[1]["referenceResponse"]) == ("Andes", "Quito or San Francisco")
    assert all(len(line["modelResponses"]) == 1 for line in lines)


def test_line_breaks_and_other_scripts_stay_in_their_line() -> None:
    [line] = answers("東京\nis\u2028it").body.decode().split("\n")[:-1]
    assert json.loads(line)["modelResponses"][0]["response"] == "東京\nis\u2028it"


def test_no_more_than_asked_for_are_drawn_the_same_every_time_in_their_order() -> None:
    drawn = [answers(*map(str, range(50)), most=10) for _ in range(2)]
    assert drawn[0] == drawn[1]
    numbers = [int(json.loads(line)["prompt"].split()[1]) for line in drawn[0].body.splitlines()]
    assert len(numbers) == 10
    assert numbers == sorted(numbers)
    assert numbers != list(range(10))


@pytest.mark.parametrize(
    "other",
    [
        job_digest(answers("Quito"), SETTINGS),
        job_digest(answers("Lima", suite="other"), SETTINGS),
        job_digest(answers("Lima"), EvaluationJobSettings("another.model", SETTINGS.metrics)),
        job_digest(answers("Lima"), EvaluationJobSettings(SETTINGS.evaluator_model, ("Correctness",))),
    ],
    ids=["answers", "suite", "evaluator", "metrics"],
)
def test_other_answers_or_another_way_of_scoring_is_another_job(other: str) -> None:
    assert other != job_digest(answers("Lima"), SETTINGS) == job_digest(answers("Lima", None), SETTINGS)


def test_names_of_all_attempts_fit_into_what_the_service_takes() -> None:
    digest = job_digest(answers("Lima"), SETTINGS)
    names = [job_name("m" * 40, digest, attempt) for attempt in (1, 2, 999)]
    assert len(set(names)) == 3
    for name in names:
        assert len(name) <= MAX_NAME_LENGTH
        assert CLIENT_REQUEST_TOKEN.fullmatch(name)
        request = job_request(name, ROLE, answers("Lima"), SETTINGS, PLACE)
        assert validate_input("bedrock", "CreateEvaluationJob", request) == []


def test_everything_of_a_job_is_beside_the_evaluation() -> None:
    place = evaluation_job_place("s3://bucket/evaluations/new.json", "0123456789abcdef")
    assert place.scores_uri == "s3://bucket/evaluations/new.bedrock-0123456789ab.json"
    assert place.data_set_uri == "s3://bucket/evaluations/new.bedrock-0123456789ab.jsonl"
    assert place.output_uri == "s3://bucket/evaluations/new.bedrock-0123456789ab/"
