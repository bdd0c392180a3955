"""What the tests of the delivery share: clients of their S3 servers, an upload of a folder, and what S3 then holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from include.checkpoint.files.reading import LocalReader
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment
from include.checkpoint.writing.progress import no_progress
from include.delivery.upload import DeliveryReport, upload
from tests.support.seaweedfs_process import ACCESS_KEY, SECRET_KEY

BUCKET = "models"
PREFIX = "capitals/1234/checkpoint"
MANIFEST = "capitals/1234/manifest.json"


def client_for(endpoint_url: str, **config: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, **config),
    )


def clear(client: Any) -> None:
    for open_upload in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()):
        client.abort_multipart_upload(Bucket=BUCKET, Key=open_upload["Key"], UploadId=open_upload["UploadId"])
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])


def checkpoint_of(folder: Path) -> Checkpoint:
    pins = tuple(LocalReader().pin(str(path)) for path in sorted(folder.iterdir()))
    files = tuple(
        CheckpointFile(name=Path(pin.uri).name, segments=(Segment(uri=pin.uri, offset=0, length=pin.size),))
        for pin in pins
    )
    return Checkpoint(files=files, pins=pins, notes=("as it was",))


def deliver(s3: Any, checkpoint: Checkpoint, **options: Any) -> DeliveryReport:
    return upload(
        s3,
        checkpoint,
        BUCKET,
        PREFIX,
        manifest_key=MANIFEST,
        fingerprint="12" * 32,
        proof={"method": "none"},
        progress=options.pop("progress", no_progress),
        **options,
    )


def stored(s3: Any) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/").get("Contents", ())
    return {
        item["Key"].removeprefix(f"{PREFIX}/"): s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
        for item in found
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
