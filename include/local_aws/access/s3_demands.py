"""What the operations of S3 need to be allowed. Source: Amazon S3 User Guide, "Required permissions"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.s3.models import FakeDeleteMarker, s3_backends
from werkzeug.exceptions import NotFound

from include.local_aws.access.decisions import Demand
from include.local_aws.bedrock.s3_source import key_arn

#: The action of IAM where it has not the operation's name.
ACTIONS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CopyObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListBuckets": "s3:ListAllMyBuckets",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListParts": "s3:ListMultipartUploadParts",
    "UploadPart": "s3:PutObject",
    "UploadPartCopy": "s3:PutObject",
}
READS, COPIES = frozenset({"GetObject", "HeadObject"}), frozenset({"CopyObject", "UploadPartCopy"})
#: Parts are encrypted when they arrive, and read again when the upload is completed.
WRITES = {
    "PutObject": ("kms:GenerateDataKey",),
    "CopyObject": ("kms:GenerateDataKey",),
    "CreateMultipartUpload": ("kms:GenerateDataKey", "kms:Decrypt"),
    "UploadPart": ("kms:GenerateDataKey", "kms:Decrypt"),
    "UploadPartCopy": ("kms:GenerateDataKey", "kms:Decrypt"),
}


def demands_of_s3(request: Any, region: str) -> list[Demand]:
    """Return what a request in path style needs to be allowed; DeleteObjects is decided key by key elsewhere."""
    try:
        operation, found = get_service_router("s3").match(Request(request.environ))
    except NotFound:
        return []
    if operation.name == "DeleteObjects":
        return []
    names = {name: str(value) for name, value in found.items()}
    return list(_demands(operation.name, names, request, region))


def _demands(operation: str, names: Mapping[str, str], request: Any, region: str) -> Iterator[Demand]:
    bucket, key = names.get("Bucket"), names.get("Key")
    action = ACTIONS.get(operation, f"s3:{operation}")
    if bucket is None:
        yield Demand(action)
        return
    if _bucket(bucket) is None and operation != "CreateBucket":
        return  # anyone may learn that a bucket does not exist
    if key is None:
        prefix = request.args.get("prefix")
        yield Demand(action, _arn(bucket), {} if prefix is None else {"s3:prefix": prefix})
        return
    yield Demand(action, _arn(bucket, key))
    if "x-amz-tagging" in request.headers:
        yield Demand("s3:PutObjectTagging", _arn(bucket, key))
    if operation in READS:
        yield from _reading(bucket, key, region)
    if operation in COPIES:
        source, _, source_key = (
            unquote(request.headers["x-amz-copy-source"].partition("?")[0]).lstrip("/").partition("/")
        )
        yield Demand("s3:GetObject", _arn(source, source_key))
        yield from _reading(source, source_key, region)
    if operation in WRITES and (encrypting := _encrypting_key(bucket, request.headers, region)):
        yield from (Demand(each, encrypting) for each in WRITES[operation])


def _reading(bucket: str, key: str, region: str) -> Iterator[Demand]:
    """A caller that may not list does not learn that an object is missing."""
    held = _bucket(bucket)
    if held is None:
        return
    stored = held.keys.get(key)
    if stored is None or isinstance(stored, FakeDeleteMarker):
        yield Demand("s3:ListBucket", _arn(bucket))
    elif stored.encryption == "aws:kms" and stored.kms_key_id:
        yield Demand("kms:Decrypt", _key(stored.kms_key_id, held.account_id, region))


def _encrypting_key(bucket: str, headers: Mapping[str, str], region: str) -> str | None:
    """The KMS key of a new object: the request's, else the bucket's."""
    held = _bucket(bucket)
    asked = headers.get("x-amz-server-side-encryption-aws-kms-key-id")
    if held is None or (asked is None and not held.encryption):
        return None
    rules = (held.encryption or {}).get("ServerSideEncryptionConfiguration", held.encryption or {}).get("Rule", {})
    rule = rules[0] if isinstance(rules, list) else rules
    key = asked or rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
    return _key(key, held.account_id, region) if key else None


def _key(key_id: str, account_id: str, region: str) -> str:
    return key_arn(key_id, account_id, region) or key_id


def _arn(bucket: str, key: str | None = None) -> str:
    return f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"


def _bucket(name: str) -> Any:
    """moto's bucket, or None."""
    owner = s3_backends.bucket_accounts.get(name)
    if owner is None:
        return None
    partition, account = owner
    return s3_backends[account][partition].buckets.get(name)
