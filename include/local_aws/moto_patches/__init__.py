"""Corrections of moto, each with its reason. `apply` installs them all, once per process."""

from __future__ import annotations

from include.local_aws.moto_patches import model_registry, requests
from include.local_aws.s3 import moto_storage, responses
from include.local_aws.s3.stored_bytes import ByteStore


def apply(byte_store: ByteStore) -> None:
    """Correct moto in this process. Objects of S3 keep their bytes in the store."""
    requests.install()
    model_registry.install()
    moto_storage.install(byte_store)
    responses.install()
