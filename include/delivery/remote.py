"""List the objects under a prefix in S3."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from include.aws.s3 import request
from include.delivery.destination import Destination
from include.delivery.upload_plan import RemoteObject
from include.sources.checksums import decode

HEAD_WORKERS = 8
RECIPE = "recipe"


def list_objects(destination: Destination) -> list[RemoteObject]:
    """Return all objects under the prefix with names, sizes and ETags, from one listing."""
    found: list[RemoteObject] = []
    arguments = {"Bucket": destination.bucket, "Prefix": f"{destination.prefix}/"}
    while True:
        page = request(destination.client, "list_objects_v2", destination.uri(), arguments, destination.attempts)
        for item in page.get("Contents", ()):
            name = item["Key"].removeprefix(arguments["Prefix"])
            found.append(RemoteObject(name, item["Size"], item["ETag"].strip('"')))
        if not page.get("IsTruncated"):
            return found
        arguments["ContinuationToken"] = page["NextContinuationToken"]


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
