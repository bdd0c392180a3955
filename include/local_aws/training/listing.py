"""ListTrainingJobs: filters before pages, and in order; moto's filters each page, and keeps no order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from moto.core.utils import unix_time

from include.local_aws.aws_errors import AwsError

DEFAULT_PAGE = 10
ORDERS = {"Name": "training_job_name", "CreationTime": "creation_time", "Status": "training_job_status"}
BOUNDS = {
    "CreationTimeAfter": ("creation_time", 1),
    "CreationTimeBefore": ("creation_time", -1),
    "LastModifiedTimeAfter": ("last_modified_time", 1),
    "LastModifiedTimeBefore": ("last_modified_time", -1),
}


def list_training_jobs(jobs: Iterable[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of ListTrainingJobs."""
    found = [job for job in jobs if _is_wanted(job, params)]
    order = ORDERS[params.get("SortBy", "CreationTime")]
    found.sort(key=lambda job: getattr(job, order), reverse=params.get("SortOrder") == "Descending")
    start = _start(params.get("NextToken"))
    end = start + params.get("MaxResults", DEFAULT_PAGE)
    token = {"NextToken": str(end)} if end < len(found) else {}
    return {"TrainingJobSummaries": [_summary(job) for job in found[start:end]], **token}


def _is_wanted(job: Any, params: Mapping[str, Any]) -> bool:
    if params.get("NameContains", "") not in job.training_job_name:
        return False
    if params.get("StatusEquals", job.training_job_status) != job.training_job_status:
        return False
    return all(
        (_seconds(getattr(job, attribute)) - _seconds(params[name])) * sign > 0
        for name, (attribute, sign) in BOUNDS.items()
        if name in params
    )


def _seconds(moment: datetime | float) -> float:
    return float(unix_time(moment) if isinstance(moment, datetime) else moment)


def _start(token: str | None) -> int:
    try:
        return int(token or 0)
    except ValueError:
        raise AwsError("ValidationException", "The NextToken is not one that ListTrainingJobs gave out") from None


def _summary(job: Any) -> dict[str, Any]:
    values = {
        "TrainingJobName": job.training_job_name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.creation_time,
        "TrainingEndTime": job.training_end_time,
        "LastModifiedTime": job.last_modified_time,
        "TrainingJobStatus": job.training_job_status,
        "SecondaryStatus": job.secondary_status,
    }
    return {name: value for name, value in values.items() if value is not None}
