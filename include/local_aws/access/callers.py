"""Who sends a request, known by its access key.

A key that IAM made belongs to a user, one that STS made to a role. Any other key, and the session of a role that IAM
does not have, is the account's root user, who may do everything; so is a request without a signature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from moto.iam.exceptions import NotFoundException
from moto.iam.models import get_account_id_from, iam_backends
from moto.utilities.utils import get_partition

from include.local_aws.moto_patches.policy_simulator import policies_of

CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[a-z0-9-]+)/")


@dataclass(frozen=True)
class Caller:
    """A user or role of IAM in a region: its ARN, its policies, and the boundary of what these may allow."""

    arn: str
    account_id: str
    region: str
    policies: tuple[str, ...]
    boundary: str | None = None


def caller_of(authorization: str | None) -> Caller | None:
    """Return the user or role that signed, from the Authorization header; None for the root user."""
    found = CREDENTIAL.search(authorization or "")
    if found is None:
        return None
    account_id, partition = str(get_account_id_from(found["key"])), str(get_partition(found["region"]))
    backend = iam_backends[account_id][partition]
    key = backend.access_keys.get(found["key"])
    if key is None:
        return None
    arn = key.role_arn or f"arn:{partition}:iam::{account_id}:user/{key.user_name}"
    try:
        policies, boundary = policies_of(backend, arn)
    except NotFoundException:
        return None
    return Caller(arn, account_id, found["region"], tuple(policies), boundary)
