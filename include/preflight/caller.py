"""Identify account, caller and endpoints behind the connection."""

from __future__ import annotations

from typing import NamedTuple

from include.aws.clients import AwsClients
from include.preflight.findings import Finding


class Identity(NamedTuple):
    """The caller's identity according to STS."""

    account_id: str
    arn: str

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn`` …"""
        return self.arn.split(":")[1]

    @property
    def is_root(self) -> bool:
        """Return whether this is the account's root user, which the account's policies cannot restrict."""
        return self.arn.endswith(":root")


def identify(clients: AwsClients) -> Identity:
    """Return the identity behind the connection's credentials; GetCallerIdentity needs no permission."""
    answer = clients.sts.get_caller_identity()
    return Identity(answer["Account"], answer["Arn"])


def connection_in_use(clients: AwsClients, aws_conn_id: str, identity: Identity) -> Finding:
    """Return a note on the endpoint, region, account and caller of the run."""
    endpoints = {clients.bedrock.meta.endpoint_url, clients.s3.meta.endpoint_url}
    found = (
        f"{' and '.join(sorted(endpoints))}, region {clients.region_name}, account {identity.account_id}, "
        f"caller {identity.arn}"
    )
    return Finding("info", "connection", aws_conn_id, found)


def policy_source_arn(clients: AwsClients, identity: Identity) -> str | None:
    """Return the ARN of the user or role whose policies apply to the caller, or None.

    The session of a role does not show the role's path, so IAM is asked for its ARN.
    """
    resource = identity.arn.split(":", 5)[5]
    kind, _, name = resource.partition("/")
    if kind == "assumed-role":
        role_arn: str = clients.iam.get_role(RoleName=name.partition("/")[0])["Role"]["Arn"]
        return role_arn
    return identity.arn if kind == "user" else None
