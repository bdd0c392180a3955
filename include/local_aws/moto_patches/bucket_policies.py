"""Decisions of bucket policies.

moto takes a statement whose Condition does not hold for a denial, so the policy that refuses requests without TLS
refuses all requests. The stand-in plays an endpoint with TLS: aws:SecureTransport is true although loopback is plain.
"""

from __future__ import annotations

import threading

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from include.local_aws.access.callers import Caller
from include.local_aws.access.decisions import Demand, refusal
from include.local_aws.bedrock.access_policy import (
    AccessRequest,
    UnsupportedConditionError,
    is_allowed,
    is_denied,
)
from include.local_aws.s3.errors import NotImplementedByStandInError

DELETE = "s3:DeleteObject"


class Acting(threading.local):
    """Who sends the request that this thread answers."""

    caller: Caller | None = None


ACTING = Acting()


def install() -> None:
    """Correct moto's S3 in this process."""
    FakeBucket.get_permission = _permission


def _permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """What the policy says about anybody: statements for named principals do not count, as in moto.

    moto asks for each key of DeleteObjects, so this is where the caller's own policies are asked about them.
    """
    if action == DELETE and refusal(ACTING.caller, [Demand(action, resource)]):
        return PermissionResult.DENIED
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    context = {"aws:SecureTransport": "true", "aws:ResourceAccount": bucket.account_id}
    request, policies = AccessRequest(action, resource, context=context), [bucket.policy.decode()]
    try:
        if is_denied(policies, request):
            return PermissionResult.DENIED
        return PermissionResult.PERMITTED if is_allowed(policies, request) else PermissionResult.NEUTRAL
    except UnsupportedConditionError as error:
        raise NotImplementedByStandInError(f"The policy of {bucket.name} cannot be decided: {error}") from error
