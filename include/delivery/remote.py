"""List the objects under a prefix in S3."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from include.aws.s3 import objects_under
from include.delivery.destination import Destination
from include.delivery.upload_plan import RemoteObject
from include.sources.checksums import decode

HEAD_WORKERS = 8
RECIPE = "recipe"


def list_objects(destination: Destination) -> list[RemoteObject]:
    """Return all objects under the prefix with names, sizes and ETags, from one listing."""
    prefix = f"{destination.prefix}/"
    return [
        RemoteObject(item["Key"].removeprefix(prefix), item["Size"], item["ETag"].strip('"'))
        for item in objects_under(destination.client, destination.bucket, prefix, destination.attempts)
    ]


def list_with_checksums(destination: Destination, names: Collection[str]) -> list[RemoteObject]:
    """Return all objects under the prefix; those with one of these names also with checksum and recipe."""
    with ThreadPoolExecutor(HEAD_WORKERS) as pool:
        return list(
            pool.map(lambda it: head(destination, it.name) if it.name in names else it, list_objects(destination))
        )


def head(destination: Destination, name: str) -> RemoteObject:
    """Return one object with its checksum; raises S3RequestError with code 404 when there is none."""
    answer = destination.call("head_object", name, ChecksumMode="ENABLED")
    whole = answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
    crc = answer.get("ChecksumCRC64NVME") if whole else None
    return RemoteObject(
        name,
        answer["ContentLength"],
        answer["ETag"].strip('"'),
        decode(crc) if crc else None,
        answer.get("Metadata", {}).get(RECIPE),
    )
