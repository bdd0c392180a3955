"""Preflight of the AWS side: region, bucket, import role and quota, as the caller may see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from include.config import AccountConfig
from include.limits import load_limits
from include.preflight.findings import Finding

#: Error codes with which AWS says that the caller has no right to ask.
NO_RIGHT_TO_ASK = {"AccessDenied", "AccessDeniedException", "403", "Forbidden"}
_SET_VARIABLE = "Set the Airflow Variable model_import_{field}, or the parameter {field} of this run."


class AwsClients(NamedTuple):
    """The boto3 clients that preflight asks; all of one region and one set of credentials."""

    s3: Any
    iam: Any
    bedrock: Any

    @property
    def region_name(self) -> str:
        """The region they ask."""
        return str(self.bedrock.meta.region_name)


def _error_code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def required_settings(account: AccountConfig) -> Iterator[Finding]:
    """Yield an error for each account setting without which nothing can be imported."""
    for field in ("bucket", "role_arn"):
        if not getattr(account, field):
            yield Finding("error", "account setting", field, "it is not set", _SET_VARIABLE.format(field=field))


def check_region(region_name: str) -> Iterator[Finding]:
    """Yield an error when Bedrock imports no models in the region."""
    regions = load_limits().regions
    if region_name not in regions.names:
        known = ", ".join(regions.names)
        yield Finding(
            "error",
            "region",
            region_name,
            f"Custom Model Import was offered in {known} (as of {regions.as_of})",
            "Choose one of these regions for the connection, or update include/limits.yaml.",
        )


def check_bucket(s3: Any, bucket: str, region_name: str) -> Iterator[Finding]:
    """Yield what is wrong with the bucket: missing, not readable, or in another region."""
    try:
        head = s3.head_bucket(Bucket=bucket)
    except s3.exceptions.ClientError as error:
        code = _error_code(error)
        if code in NO_RIGHT_TO_ASK:
            yield Finding("error", "bucket", bucket, "the caller may not see it", "Grant s3:ListBucket on it.")
        else:
            yield Finding("error", "bucket", bucket, f"S3 answers {code}", "Create it, or correct its name.")
        return
    found = head.get("BucketRegion", region_name)
    if found != region_name:
        yield Finding(
            "error", "bucket", bucket, f"it lies in {found}, the import runs in {region_name}", "Use a bucket there."
        )


def check_role(iam: Any, role_arn: str) -> Iterator[Finding]:
    """Yield what is wrong with the import role; no right to ask is a warning."""
    role_name = role_arn.rpartition("/")[2]
    try:
        role = iam.get_role(RoleName=role_name)["Role"]
    except iam.exceptions.ClientError as error:
        code = _error_code(error)
        if code in NO_RIGHT_TO_ASK:
            yield Finding(
                "warning", "import role", role_arn, "the caller may not read it", "Grant iam:GetRole to check."
            )
        else:
            yield Finding(
                "error", "import role", role_arn, f"IAM answers {code}", "Deploy include/aws/model_import.yaml."
            )
        return
    if role["Arn"] != role_arn:
        yield Finding("error", "import role", role_arn, f"the role's ARN is {role['Arn']}", "Use that ARN.")
    statements = role["AssumeRolePolicyDocument"].get("Statement", [])
    if not any("bedrock.amazonaws.com" in str(statement.get("Principal", "")) for statement in statements):
        yield Finding(
            "error",
            "import role",
            role_arn,
            "its trust policy does not name bedrock.amazonaws.com",
            "Add a statement that lets this service call sts:AssumeRole.",
        )


def check_model_slots(bedrock: Any, imported_model_name: str) -> Iterator[Finding]:
    """Yield a warning when the default quota of imported models is used up by others."""
    pages = bedrock.get_paginator("list_imported_models").paginate()
    names = [summary["modelName"] for page in pages for summary in page["modelSummaries"]]
    quota = load_limits().quotas
    if imported_model_name not in names and len(names) >= quota.imported_models:
        yield Finding(
            "warning",
            "imported models",
            ", ".join(sorted(names)),
            f"{len(names)} are imported, the default quota is {quota.imported_models} (as of {quota.as_of})",
            "Delete one that is not needed, or have the quota raised.",
        )


def check_account(clients: AwsClients, account: AccountConfig) -> Iterator[Finding]:
    """Yield every finding about the account's region, bucket and role."""
    yield from required_settings(account)
    yield from check_region(clients.region_name)
    if account.bucket:
        yield from check_bucket(clients.s3, account.bucket, clients.region_name)
    if account.role_arn:
        yield from check_role(clients.iam, account.role_arn)
