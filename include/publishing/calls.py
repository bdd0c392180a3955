"""How many calls of an imported model failed, as Bedrock counts them in CloudWatch.

https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-runtime-metrics.html: ``Invocations`` counts calls that
succeeded, and a call that was throttled counts as neither.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from include.aws.calls import request

NAMESPACE = "AWS/Bedrock"
DIMENSION = "ModelId"
INVOCATIONS, *ERRORS = "Invocations", "InvocationClientErrors", "InvocationServerErrors"
PERIOD_SECONDS = 60
#: One or two errors are no rate.
FEWEST_ERRORS = 3


class Calls(NamedTuple):
    """Calls that succeeded, and calls that failed."""

    succeeded: int
    failed: int

    @property
    def error_rate(self) -> float:
        """The share of calls that failed."""
        return self.failed / (self.succeeded + self.failed) if self.failed else 0.0

    def fail_more_than(self, max_error_rate: float) -> bool:
        """Return whether a larger share failed, and at least three calls."""
        return self.failed >= FEWEST_ERRORS and self.error_rate > max_error_rate

    def __str__(self) -> str:
        return f"{self.failed} of {self.succeeded + self.failed} calls failed ({self.error_rate:.1%})"


def count_calls(cloudwatch: Any, imported_model_arn: str, since: datetime, now: datetime) -> Calls:
    """Return the calls of a model, of any caller, from the first full minute after ``since`` on.

    CloudWatch has minutes, and the one of ``since`` may hold errors of the model's cold start and of its evaluation.
    """
    sums = dict.fromkeys((INVOCATIONS, *ERRORS), 0.0)
    arguments: dict[str, Any] = {
        "MetricDataQueries": [_query(number, name, imported_model_arn) for number, name in enumerate(sums)],
        "StartTime": since.replace(second=0, microsecond=0) + timedelta(seconds=PERIOD_SECONDS),
        "EndTime": now + timedelta(seconds=2 * PERIOD_SECONDS),
    }
    names = list(sums)
    while True:
        page = request(cloudwatch, "get_metric_data", **arguments)
        for result in page["MetricDataResults"]:
            sums[names[int(result["Id"].removeprefix("m"))]] += sum(result["Values"])
        if not page.get("NextToken"):
            return Calls(round(sums[INVOCATIONS]), round(sum(sums[name] for name in ERRORS)))
        arguments["NextToken"] = page["NextToken"]


def _query(number: int, name: str, imported_model_arn: str) -> dict[str, Any]:
    dimensions = [{"Name": DIMENSION, "Value": imported_model_arn}]
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}
    return {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": PERIOD_SECONDS, "Stat": "Sum"}}
