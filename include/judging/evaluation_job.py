"""The request for a Bedrock evaluation job over stored answers, its data set, and where both are kept.

Bedrock asks no model but the evaluator: the data set brings the responses ("bring your own inference responses"), see
https://docs.aws.amazon.com/bedrock/latest/userguide/model-evaluation-prompt-datasets-judge.html.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from include.evaluation.results import RecordResult

METRIC_PREFIX = "Builtin."
#: AWS: the task type of jobs with an evaluator model, although the service model's enum does not list it.
TASK_TYPE = "General"
#: Of a model's name in the job's: a job's name has at most 63 characters, and later attempts end in a number.
_LONGEST_STEM, _LONGEST_DIGEST = 40, 18


class EvaluatedAnswers(NamedTuple):
    """The data set of a job, JSON Lines: ``records`` answers of the model that ``source`` names, in one suite."""

    suite: str
    source: str
    body: bytes
    records: int


@dataclass(frozen=True)
class EvaluationJobSettings:
    """Which model scores which metrics."""

    evaluator_model: str
    metrics: tuple[str, ...]


class EvaluationJobPlace(NamedTuple):
    """The URI of the scores; data set and output of the job are beside it."""

    scores_uri: str

    @property
    def data_set_uri(self) -> str:
        """The URI of the data set."""
        return f"{self.scores_uri.removesuffix('.json')}.jsonl"

    @property
    def output_uri(self) -> str:
        """The prefix below which Bedrock writes."""
        return f"{self.scores_uri.removesuffix('.json')}/"


def answers_to_evaluate(
    results: Sequence[RecordResult], suite: str, source: str, most: int, seed: int
) -> EvaluatedAnswers:
    """Return the data set of at most ``most`` answered records, in their order; which ones is drawn with ``seed``."""
    answered = [result for result in results if result.status == "answered"]
    places = range(len(answered))
    drawn = sorted(random.Random(seed).sample(places, most)) if len(answered) > most else places
    lines = [_line(answered[place], source) for place in drawn]
    return EvaluatedAnswers(suite, source, "".join(lines).encode(), len(lines))


def _line(result: RecordResult, source: str) -> str:
    record = {
        "prompt": result.question,
        "referenceResponse": " or ".join(result.accepted_answers),
        **({"category": result.category} if result.category else {}),
        "modelResponses": [{"response": result.answer, "modelIdentifier": source}],
    }
    return f"{json.dumps(record, ensure_ascii=False)}\n"


def job_digest(answers: EvaluatedAnswers, settings: EvaluationJobSettings) -> str:
    """Return what identifies the job: the same for the same answers, evaluator and metrics."""
    asked = json.dumps([answers.suite, settings.evaluator_model, settings.metrics]).encode()
    return hashlib.sha256(asked + b"\n" + answers.body).hexdigest()


def job_name(model_name: str, digest: str, attempt: int = 1) -> str:
    """Return the job's name, which is its client request token too: the first attempt has no number."""
    name = f"{model_name[:_LONGEST_STEM]}-{digest[:_LONGEST_DIGEST]}"
    return name if attempt == 1 else f"{name}-{attempt}"


def evaluation_job_place(candidate_report_uri: str, digest: str) -> EvaluationJobPlace:
    """Return the place beside the candidate's evaluation."""
    return EvaluationJobPlace(f"{candidate_report_uri.removesuffix('.json')}.bedrock-{digest[:12]}.json")


def job_request(
    name: str, role_arn: str, answers: EvaluatedAnswers, settings: EvaluationJobSettings, place: EvaluationJobPlace
) -> dict[str, Any]:
    """Return the parameters of CreateEvaluationJob, without tags."""
    data_set = {
        "taskType": TASK_TYPE,
        "dataset": {"name": answers.suite, "datasetLocation": {"s3Uri": place.data_set_uri}},
        "metricNames": [f"{METRIC_PREFIX}{metric}" for metric in settings.metrics],
    }
    evaluator = {"bedrockEvaluatorModels": [{"modelIdentifier": settings.evaluator_model}]}
    return {
        "jobName": name,
        "clientRequestToken": name,
        "roleArn": role_arn,
        "applicationType": "ModelEvaluation",
        "evaluationConfig": {"automated": {"datasetMetricConfigs": [data_set], "evaluatorModelConfig": evaluator}},
        "inferenceConfig": {"models": [{"precomputedInferenceSource": {"inferenceSourceIdentifier": answers.source}}]},
        "outputDataConfig": {"s3Uri": place.output_uri},
    }
