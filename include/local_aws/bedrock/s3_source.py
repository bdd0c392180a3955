"""The S3 prefix of an import job: its objects, whether the role may read them, and a copy on disk.

Read from the stand-in's S3 in this process, block by block: a shard is never held in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.kms.models import kms_backends
from moto.s3.models import FakeDeleteMarker, s3_backends

from include.local_aws.bedrock.import_failures import BucketNotFoundError, BucketRegionError, RolePermissionError
from include.local_aws.bedrock.service_role import RolePermissions


@dataclass(frozen=True)
class SourceObject:
    """One object directly under the prefix; `name` is what follows the prefix."""

    name: str
    size: int
    stored: Any

    def copy_to(self, folder: Path) -> None:
        """Write the object's bytes to a file of its name."""
        with (folder / self.name).open("wb") as target:
            target.writelines(self.stored.value)


class S3Source:
    """The prefix that `s3_uri` names. Raises BucketNotFoundError, BucketRegionError when it is made."""

    def __init__(self, s3_uri: str, region: str) -> None:
        self.s3_uri = s3_uri
        name, _, key = s3_uri.removeprefix("s3://").partition("/")
        self.prefix = f"{key.rstrip('/')}/" if key.rstrip("/") else ""
        self.bucket = _bucket(name)
        if self.bucket.region_name != region:
            raise BucketRegionError(name, self.bucket.region_name, region)

    def objects(self) -> tuple[SourceObject, ...]:
        """Return the objects directly under the prefix; those in folders below it play no part."""
        stored = {key: item for key, item in list(self.bucket.keys.items()) if not isinstance(item, FakeDeleteMarker)}
        names = {key.removeprefix(self.prefix): item for key, item in stored.items() if key.startswith(self.prefix)}
        return tuple(SourceObject(name, item.size, item) for name, item in sorted(names.items()) if _is_file(name))

    def require_listable(self, role: RolePermissions) -> None:
        """Raises RolePermissionError unless the role may list the prefix, written with or without the last slash."""
        try:
            self._require_list(role, self.prefix)
        except RolePermissionError:
            self._require_list(role, self.prefix.removesuffix("/"))

    def require_readable(self, role: RolePermissions, objects: Iterable[SourceObject]) -> None:
        """Raises RolePermissionError unless the role may get, and decrypt, each of the objects."""
        for item in objects:
            role.require("s3:GetObject", f"{self.bucket.arn}/{item.stored.name}", self._context(), self._policy())
            if item.stored.encryption == "aws:kms" and item.stored.kms_key_id:
                for action in ("kms:Decrypt", "kms:DescribeKey"):
                    role.require(action, self._key_arn(item.stored.kms_key_id), self._context())

    def _require_list(self, role: RolePermissions, prefix: str) -> None:
        context = {**self._context(), "s3:prefix": prefix}
        role.require("s3:ListBucket", self.bucket.arn, context, self._policy())

    def _context(self) -> dict[str, str]:
        return {"aws:ResourceAccount": self.bucket.account_id, "aws:SecureTransport": "true"}

    def _policy(self) -> str | None:
        return self.bucket.policy.decode() if self.bucket.policy else None

    def _key_arn(self, key_id: str) -> str:
        return key_arn(key_id, self.bucket.account_id, self.bucket.region_name) or key_id


def key_arn(key_id: str, account_id: str, region: str) -> str | None:
    """Return the ARN of the KMS key with this id, ARN, alias or alias ARN; None when there is none."""
    backend = kms_backends[account_id][region]
    alias = backend.get_alias_name(key_id)
    if alias.startswith("alias/") and not backend.alias_exists(alias):
        return None
    known = backend.any_id_to_key_id(key_id)
    return str(backend.keys[known].arn) if known in backend.keys else None


def _bucket(name: str) -> Any:
    owner = s3_backends.bucket_accounts.get(name)
    if owner is None:
        raise BucketNotFoundError(name)
    partition, account = owner
    return s3_backends[account][partition].get_bucket(name)


def _is_file(name: str) -> bool:
    return name != "" and "/" not in name
