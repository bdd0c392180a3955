"""To which account and region a request belongs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from moto.iam.models import get_account_id_from
from moto.utilities.utils import get_partition

from include.local_aws.bedrock.errors import UnsignedRequestError

CREDENTIAL = re.compile(r"Credential=(?P<access_key>[^/,\s]+)/\d{8}/(?P<region>[a-z0-9-]+)/[a-z0-9-]+/aws4_request")


#: How a Bedrock API key is sent, of all services to Bedrock only.
BEARER = "Bearer "


@dataclass(frozen=True)
class Scope:
    """One account in one region: names, quotas and ids count within it."""

    account_id: str
    region: str

    @property
    def partition(self) -> str:
        return str(get_partition(self.region))

    def arn(self, resource: str) -> str:
        return f"arn:{self.partition}:bedrock:{self.region}:{self.account_id}:{resource}"


def scope_of(authorization: str | None) -> Scope:
    """Return the scope that the SigV4 Authorization header names.

    The account is the one that moto's IAM knows the access key to belong to, else moto's default account, as for all
    other services. Raises UnsignedRequestError without such a header.
    """
    found = _credential(authorization)
    return Scope(str(get_account_id_from(found["access_key"])), found["region"])


def access_key_of(authorization: str | None) -> str:
    """Return the access key id that signed the request; raises as ``scope_of`` does."""
    return _credential(authorization)["access_key"]


def _credential(authorization: str | None) -> re.Match[str]:
    found = CREDENTIAL.search(authorization or "")
    if found is None and (authorization or "").startswith(BEARER):
        raise UnsignedRequestError(
            "The stand-in for AWS takes no Bedrock API key (Authorization: Bearer), which names no region: "
            "unset AWS_BEARER_TOKEN_BEDROCK and sign the request with SigV4."
        )
    if found is None:
        raise UnsignedRequestError("Missing Authentication Token: sign the request with SigV4.")
    return found
