"""Read the evaluations that earlier tasks of a run stored in S3."""

from __future__ import annotations

from typing import Any

from include.errors import ModelImportError
from include.evaluation.results import EvaluationReport, RecordResult
from include.evaluation.storage import read_records, read_report


class EvaluationReportMissingError(ModelImportError):
    """The report that an earlier task wrote no longer exists."""

    def __init__(self, uri: str) -> None:
        super().__init__("There is no evaluation report", uri, remedy="Clear the run from evaluate_model on.")


def stored_report(s3: Any, uri: str) -> EvaluationReport:
    """Return the evaluation report at ``uri``; raises EvaluationReportMissingError if it no longer exists."""
    report = read_report(s3, uri)
    if report is None:
        raise EvaluationReportMissingError(uri)
    return report


def records_of(s3: Any, report: EvaluationReport) -> list[RecordResult]:
    """Return the results of the report's records."""
    return list(read_records(s3, report.records_uri))
