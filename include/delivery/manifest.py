"""The manifest of a delivery: its files, their sources and their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import AwareDatetime, BaseModel, ValidationError

from include.aws.s3 import read_object_if_any
from include.aws.s3_uri import S3Uri, is_s3_uri
from include.checkpoint.files.segments import Checkpoint, Pin, Segment
from include.delivery.destination import Destination
from include.delivery.errors import ManifestUnreadableError
from include.delivery.remote import list_objects

# The packages whose versions decide which bytes are written.
PACKAGES = ("awscrt", "botocore", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers")


class DeliveredFile(BaseModel, frozen=True):
    """An object of the delivery. ``crc64nvme`` is in base64, as in S3; ``segments`` are its sources."""

    name: str
    size: int
    crc64nvme: str | None
    etag: str
    segments: tuple[Segment, ...]


class Manifest(BaseModel, frozen=True):
    """A complete delivery. It is written after all of its objects, so its presence implies them.

    ``sha256`` holds the digests of the local files, written by conversion and merge, that segments refer to.
    """

    fingerprint: str
    s3_uri: str
    files: tuple[DeliveredFile, ...]
    pins: tuple[Pin, ...]
    notes: tuple[str, ...]
    sha256: Mapping[str, str]
    proof: Mapping[str, Any] | None
    created_at: AwareDatetime
    versions: Mapping[str, str]


def find_delivered(client: Any, bucket: str, manifest_key: str) -> Manifest | None:
    """Return the manifest if its delivery is complete: every object is there, unchanged, and no other object.

    Reads the manifest and one listing.

    Raises:
        ManifestUnreadableError: the object is not a manifest.
        S3RequestError: S3 refused a request.
    """
    manifest = read_manifest(client, bucket, manifest_key)
    if manifest is None:
        return None
    prefix = S3Uri.parse(manifest.s3_uri).key.rstrip("/")
    listed = {(it.name, it.size, it.etag) for it in list_objects(Destination(client, bucket, prefix))}
    return manifest if listed == {(file.name, file.size, file.etag) for file in manifest.files} else None


def read_manifest(client: Any, bucket: str, manifest_key: str) -> Manifest | None:
    """Return the manifest at this key, or None when there is none.

    Raises:
        ManifestUnreadableError: the object is not a manifest.
        S3RequestError: S3 refused the request.
    """
    uri = str(S3Uri(bucket, manifest_key))
    body = read_object_if_any(client, uri)
    if body is None:
        return None
    try:
        return Manifest.model_validate_json(body)
    except ValidationError as error:
        raise ManifestUnreadableError(uri, str(error)) from error


def digests_of_written(checkpoint: Checkpoint) -> dict[str, str]:
    """Return the SHA-256 of each local file written for this checkpoint: those whose ranges carry a checksum."""
    segments = [segment for file in checkpoint.files for segment in file.segments if segment.crc64nvme is not None]
    found = {}
    for uri in sorted({segment.uri for segment in segments if not is_s3_uri(segment.uri)}):
        with open(uri, "rb") as file:  # noqa: PTH123  # a URI of a Segment is text
            found[uri] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that determine the bytes."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
