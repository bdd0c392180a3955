"""Check the bucket's encryption: which KMS key it uses, and whether that key can be used."""

from __future__ import annotations

from typing import Any

from include.aws.clients import AwsClients
from include.aws.transient import error_code
from include.preflight.asking import Check, guarded
from include.preflight.findings import Finding

CHECK = "KMS key"


def default_key(s3: Any, bucket: str) -> str | None:
    """Return the bucket's default KMS key; None for keys of S3."""
    try:
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    except s3.exceptions.ClientError as error:
        if error_code(error) == "ServerSideEncryptionConfigurationNotFoundError":
            return None
        raise
    keys = (rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for rule in rules)
    return next((key for key in keys if key), None)


def find_key(clients: AwsClients, key_id: str) -> dict[str, Any] | None:
    """Return KMS's description of a key by id, ARN or alias, or None."""
    try:
        metadata: dict[str, Any] = clients.kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except clients.kms.exceptions.NotFoundException:
        return None
    return metadata


def check_encryption(clients: AwsClients, bucket: str | None, kms_key_id: str | None) -> Check[str | None]:
    """Yield problems of the run's and the bucket's keys; return the ARN of the key in use, or None.

    A key that the caller may not describe is returned as given.
    """
    default = None
    if bucket:
        asked = _ask_default(clients.s3, bucket)
        default = yield from guarded("bucket encryption", bucket, "s3:GetEncryptionConfiguration", asked)
    key_id = kms_key_id or default
    if key_id is None:
        return None
    yield from _check_default(clients, bucket, key_id, default)
    known = yield from guarded(CHECK, key_id, "kms:DescribeKey", _check_key(clients, key_id))
    return (known or None) if known is not None else key_id


def _ask_default(s3: Any, bucket: str) -> Check[str | None]:
    yield from ()
    return default_key(s3, bucket)


def _check_key(clients: AwsClients, key_id: str) -> Check[str]:
    """Yield problems of the key; return its ARN, empty if there is no such key."""
    metadata = find_key(clients, key_id)
    if metadata is None:
        found = f"there is no such key in {clients.region_name}"
        yield Finding("error", CHECK, key_id, found, "Correct model_import_kms_key_id, or create the key.")
        return ""
    yield from _check_usable(key_id, metadata, clients.region_name)
    return str(metadata["Arn"])


def _check_default(clients: AwsClients, bucket: str | None, key_id: str, default: str | None) -> Check[None]:
    if default is None or key_id == default:
        return
    yield from guarded(CHECK, default, "kms:DescribeKey", _compare(clients, bucket, key_id, default))


def _compare(clients: AwsClients, bucket: str | None, key_id: str, default: str) -> Check[None]:
    used, by_default = find_key(clients, key_id), find_key(clients, default)
    if used and by_default and used["Arn"] != by_default["Arn"]:
        found = f"the bucket {bucket} encrypts with another key by default, {by_default['Arn']}"
        remedy = f"Set model_import_kms_key_id to {by_default['Arn']}, or to nothing."
        yield Finding("warning", CHECK, key_id, found, remedy)


def _check_usable(key_id: str, metadata: dict[str, Any], region_name: str) -> Check[None]:
    state, usage = metadata.get("KeyState", "Enabled"), metadata.get("KeyUsage", "ENCRYPT_DECRYPT")
    region = metadata["Arn"].split(":")[3]
    if region != region_name:
        yield Finding("error", CHECK, key_id, f"it is in {region}, the bucket in {region_name}", "Use a key there.")
    if state != "Enabled":
        remedy = "Cancel its deletion, then enable it." if state == "PendingDeletion" else "Enable it."
        yield Finding("error", CHECK, key_id, f"it cannot be used: its state is {state}", f"{remedy} Or use another.")
    if usage != "ENCRYPT_DECRYPT":
        yield Finding("error", CHECK, key_id, f"it is made for {usage}", "Use a symmetric encryption key.")
