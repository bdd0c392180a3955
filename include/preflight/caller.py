"""Who asks, and where: the account and caller behind the connection, and the endpoints in use."""

from __future__ import annotations

from typing import NamedTuple

from include.aws.clients import AwsClients
from include.preflight.findings import Finding


class Identity(NamedTuple):
    """The caller as STS knows it."""

    account_id: str
    arn: str

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn`` …"""
        return self.arn.split(":")[1]

    @property
    def is_root(self) -> bool:
        """Whether it is the account's root user, which no policy of the account can restrict."""
        return self.arn.endswith(":root")


def identify(clients: AwsClients) -> Identity:
    """Return who the connection's credentials belong to; everybody may ask this."""
    answer = clients.sts.get_caller_identity()
    return Identity(answer["Account"], answer["Arn"])


def connection_in_use(clients: AwsClients, aws_conn_id: str, identity: Identity) -> Finding:
    """Return the note that says which endpoint, region, account and caller the run uses."""
    endpoints = {clients.bedrock.meta.endpoint_url, clients.s3.meta.endpoint_url}
    found = (
        f"{' and '.join(sorted(endpoints))}, region {clients.region_name}, account {identity.account_id}, "
        f"caller {identity.arn}"
    )
    return Finding("info", "connection", aws_conn_id, found)


def policy_source_arn(clients: AwsClients, identity: Identity) -> str | None:
    """Return the ARN of the user or role whose policies decide what the caller may do; None when IAM holds none.

    The session of a role does not show the role's path, so IAM is asked for its ARN.
    """
    resource = identity.arn.split(":", 5)[5]
    kind, _, name = resource.partition("/")
    if kind == "assumed-role":
        role_arn: str = clients.iam.get_role(RoleName=name.partition("/")[0])["Role"]["Arn"]
        return role_arn
    return identity.arn if kind == "user" else None
