"""Store evaluations in S3: the report as JSON, the record results as JSON Lines, and comparisons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from include.aws.s3_uri import S3Uri
from include.evaluation.comparison import Comparison
from include.evaluation.results import EvaluationReport, RecordResult

M = TypeVar("M", bound=BaseModel)


class EvaluationPlace(NamedTuple):
    """Bucket and key, without its suffix, of an evaluation."""

    bucket: str
    key: str

    @property
    def report_uri(self) -> str:
        """The URI of the report."""
        return str(S3Uri(self.bucket, f"{self.key}.json"))

    @property
    def records_uri(self) -> str:
        """The URI of the results of the records."""
        return str(S3Uri(self.bucket, f"{self.key}.records.jsonl"))


def store(s3: Any, place: EvaluationPlace, report: EvaluationReport, results: Sequence[RecordResult]) -> None:
    """Write both objects, the report last, so that a report implies its records."""
    write_lines(s3, place.records_uri, results)
    write_model(s3, place.report_uri, report)


def read_report(s3: Any, report_uri: str) -> EvaluationReport | None:
    """Return the report at an ``s3://`` URI, or None when there is none."""
    return read_model(s3, report_uri, EvaluationReport)


def read_records(s3: Any, records_uri: str) -> Iterator[RecordResult]:
    """Yield the results of the records at an ``s3://`` URI, in the data set's order."""
    for line in s3.get_object(**S3Uri.parse(records_uri).arguments)["Body"].iter_lines():
        yield RecordResult.model_validate_json(line)


def comparison_uri(candidate_report_uri: str, champion_report_uri: str) -> str:
    """Return where the comparison of two evaluations is kept: next to the candidate's records."""
    champion = hashlib.sha256(champion_report_uri.encode()).hexdigest()[:12]
    return f"{candidate_report_uri.removesuffix('.json')}.against-{champion}.json"


def store_comparison(s3: Any, uri: str, comparison: Comparison) -> None:
    """Write the comparison, or overwrite it."""
    write_model(s3, uri, comparison)


def read_comparison(s3: Any, uri: str) -> Comparison | None:
    """Return the comparison at an ``s3://`` URI, or None when there is none."""
    return read_model(s3, uri, Comparison)


def read_body(s3: Any, uri: str) -> bytes | None:
    """Return the content of the object at an ``s3://`` URI, or None when there is none."""
    try:
        body: bytes = s3.get_object(**S3Uri.parse(uri).arguments)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return body


def read_model(s3: Any, uri: str, kind: type[M]) -> M | None:
    """Return the model that the object at an ``s3://`` URI holds as JSON, or None when there is none."""
    body = read_body(s3, uri)
    return kind.model_validate_json(body) if body is not None else None


def write_model(s3: Any, uri: str, model: BaseModel) -> None:
    """Write the model as JSON, or overwrite it."""
    _write(s3, uri, model.model_dump_json(indent=1), "application/json")


def write_lines(s3: Any, uri: str, models: Sequence[BaseModel]) -> None:
    """Write the models as JSON Lines, or overwrite them."""
    _write(s3, uri, "".join(f"{model.model_dump_json()}\n" for model in models), "application/jsonl")


def _write(s3: Any, uri: str, text: str, content_type: str) -> None:
    s3.put_object(**S3Uri.parse(uri).arguments, Body=text.encode(), ContentType=content_type)
