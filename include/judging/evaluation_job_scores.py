"""The scores of a Bedrock evaluation job: read from what the job wrote to S3, and stored beside the evaluation.

A job writes JSON Lines below ``<output>/<job name>/``, in files whose names end in ``_output.jsonl``, see
https://docs.aws.amazon.com/bedrock/latest/userguide/model-evaluation-report-s3.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from include.aws.s3 import objects_under
from include.aws.s3_uri import S3Uri
from include.errors import ModelImportError
from include.evaluation.bootstrap import estimate, estimate_score
from include.evaluation.results import Estimate
from include.evaluation.storage import read_body
from include.judging.evaluation_job import METRIC_PREFIX

_ENDING = "_output.jsonl"


class EvaluationOutputUnreadableError(ModelImportError):
    """What the evaluation job wrote is not there, or is not in the form that AWS documents."""

    def __init__(self, uri: str, found: str) -> None:
        super().__init__(
            "The output of the Bedrock evaluation job cannot be read",
            uri,
            "JSON Lines with automatedEvaluationResult.scores",
            found,
            "See the job in the Bedrock console. The promotion does not depend on it.",
        )


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class EvaluationJobScores(_Block):
    """The mean score of each metric over the records that the evaluator could score; ``unscored`` counts the others.

    Bedrock normalises scores to 0..1. ``records`` answers were in the data set; ``written`` are those in the output.
    """

    schema_version: Literal[1] = 1
    job_arn: str
    job_name: str
    evaluator_model: str
    suite: str
    data_set_uri: str
    output_uri: str
    records: int
    written: int
    scores: Mapping[str, Estimate]
    unscored: Mapping[str, int]
    seconds: float | None = None
    console_url: str = ""

    def summary(self) -> str:
        """Return the scores as a sentence."""
        found = [f"{name} {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for name, one in self.scores.items()]
        missing = f", {self.records - self.written} of {self.records} answers are missing" * (
            self.written < self.records
        )
        return f"{self.evaluator_model} scores {self.written} answers: {', '.join(found) or 'none of them'}{missing}"


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Score(_Written):
    metricName: str
    result: float | None = None


class _Scores(_Written):
    scores: tuple[_Score, ...]


class _Line(_Written):
    automatedEvaluationResult: _Scores


class WrittenScores(_Block):
    """The scores of each metric as the job wrote them, by metric; None for what the evaluator could not score."""

    lines: int
    by_metric: Mapping[str, tuple[float | None, ...]]

    def estimates(self, seed: int) -> dict[str, Estimate]:
        """Return the mean of each metric that has a score, with its 95 % interval."""
        known = {name: [one for one in values if one is not None] for name, values in self.by_metric.items()}
        return {name: _mean(values, seed) for name, values in known.items() if values}

    def unscored(self) -> dict[str, int]:
        """Return the number of records without a score, by metric."""
        return {name: sum(one is None for one in values) for name, values in self.by_metric.items()}


def _mean(values: list[float], seed: int) -> Estimate:
    bounded = all(0 <= value <= 1 for value in values)
    return estimate_score(values, seed) if bounded else estimate(values, "mean", seed)


def read_written_scores(s3: Any, output_uri: str, name: str) -> WrittenScores:
    """Return what the job of this name wrote below its output prefix.

    Raises:
        EvaluationOutputUnreadableError: there is nothing, or a line is not one of Bedrock's.
    """
    bucket, prefix = S3Uri.parse(f"{output_uri}{name}/")
    uris = list(_outputs(s3, bucket, prefix))
    if not uris:
        raise EvaluationOutputUnreadableError(f"s3://{bucket}/{prefix}", f"no object that ends in {_ENDING}")
    lines = [line for uri in uris for line in _lines(uri, read_body(s3, uri) or b"")]
    return WrittenScores(lines=len(lines), by_metric=_by_metric(lines))


def _outputs(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    for found in objects_under(s3, bucket, prefix):
        if found["Key"].endswith(_ENDING):
            yield str(S3Uri(bucket, found["Key"]))


def _lines(uri: str, body: bytes) -> Iterator[_Line]:
    for number, line in enumerate(body.splitlines(), start=1):
        try:
            yield _Line.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            found = f"line {number}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise EvaluationOutputUnreadableError(uri, found) from error


def _by_metric(lines: Iterable[_Line]) -> dict[str, tuple[float | None, ...]]:
    found: dict[str, list[float | None]] = {}
    for line in lines:
        for score in line.automatedEvaluationResult.scores:
            found.setdefault(score.metricName.removeprefix(METRIC_PREFIX), []).append(score.result)
    return {name: tuple(values) for name, values in found.items()}
