"""The metrics of calls that Bedrock puts into CloudWatch: moto's, where clients read them.

https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-runtime-metrics.html
"""

from __future__ import annotations

from http import HTTPStatus

from moto.cloudwatch.models import cloudwatch_backends

from include.local_aws.bedrock.errors import BedrockError, ThrottledError
from include.local_aws.bedrock.scope import Scope

NAMESPACE = "AWS/Bedrock"


def put_metric(scope: Scope, model_id: str, error: BedrockError | None) -> None:
    """Count one call of a model: as an invocation if it succeeded, as a throttle, or as an error of one side."""
    datum = {
        "MetricName": _name(error),
        "Dimensions": [{"Name": "ModelId", "Value": model_id}],
        "Value": 1,
    }
    cloudwatch_backends[scope.account_id][scope.region].put_metric_data(NAMESPACE, [datum])


def _name(error: BedrockError | None) -> str:
    if error is None:
        return "Invocations"
    if isinstance(error, ThrottledError):
        return "InvocationThrottles"
    return "InvocationServerErrors" if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "InvocationClientErrors"
