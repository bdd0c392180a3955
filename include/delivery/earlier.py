"""The earlier deliveries of a model, from which S3 can copy what has not changed."""

from __future__ import annotations

from typing import Any

from include.aws.s3 import objects_under
from include.delivery.manifest import Manifest, find_delivered

MANIFEST_NAME = "/manifest.json"


def earlier_deliveries(client: Any, bucket: str, prefix: str, most: int = 3) -> tuple[Manifest, ...]:
    """Return up to ``most`` manifests under ``prefix`` whose deliveries are still complete, newest first.

    Raises:
        ManifestUnreadableError: the object at a manifest's key is not a manifest.
        S3RequestError: S3 refused a request.
    """
    listed = [item for item in objects_under(client, bucket, prefix) if item["Key"].endswith(MANIFEST_NAME)]
    newest = sorted(listed, key=lambda item: item["LastModified"], reverse=True)[:most]
    found = (find_delivered(client, bucket, item["Key"]) for item in newest)
    return tuple(manifest for manifest in found if manifest is not None)
