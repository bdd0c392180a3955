"""One transfer in a process of its own, so that its time and peak memory are its own: prints them as JSON."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks.servers import ACCESS_KEY, SECRET_KEY
from include.checkpoint.files.reading import LOCAL
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment
from include.checkpoint.writing.progress import no_progress
from include.delivery.transfer import TransferSettings
from include.delivery.upload import upload
from include.sources.cache import SourceCache
from include.sources.location import parse_location
from include.sources.source import describe_source, fetch_source

MIB = 2**20
BUCKET = "models"


def s3_client(endpoint_url: str) -> Any:
    """The client an S3Hook gives, for the benchmark's server."""
    config = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    return boto3.client("s3", endpoint_url=endpoint_url, region_name="us-east-1", config=config, **keys)


def checkpoint_of(folder: Path) -> Checkpoint:
    """The folder's files, whole."""
    pins = tuple(LOCAL.pin(str(path)) for path in sorted(folder.iterdir()))
    files = (
        CheckpointFile(name=Path(p.uri).name, segments=(Segment(uri=p.uri, offset=0, length=p.size),)) for p in pins
    )
    return Checkpoint(files=tuple(files), pins=pins)


def peak_mib() -> float:
    """This program's peak memory; getrusage would also count the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def upload_ours(client: Any, folder: Path, prefix: str, part_size: int, workers: int) -> None:
    upload(
        client,
        checkpoint_of(folder),
        BUCKET,
        prefix,
        manifest_key=f"{prefix}-manifest.json",
        fingerprint="0" * 64,
        proof=None,
        progress=no_progress,
        settings=TransferSettings(part_size, workers),
    )


def download_ours(client: Any, folder: Path, prefix: str, part_size: int, workers: int) -> None:
    """Into the cache, and verified."""
    source = describe_source(parse_location(f"s3://{BUCKET}/{prefix}"), s3=client)
    fetch_source(source, SourceCache(folder, 2**50), s3=client, as_folder=True)


def download_unsynced_ours(client: Any, folder: Path, prefix: str, part_size: int, workers: int) -> None:
    """The same as the others leave it: what arrived is verified, and lies in memory."""
    os.fsync = lambda descriptor: None
    download_ours(client, folder, prefix, part_size, workers)


def upload_boto3(client: Any, folder: Path, prefix: str, part_size: int, workers: int) -> None:
    config = TransferConfig(multipart_chunksize=part_size, max_concurrency=workers)
    for path in sorted(folder.iterdir()):
        client.upload_file(str(path), BUCKET, f"{prefix}/{path.name}", Config=config)


def download_boto3(client: Any, folder: Path, prefix: str, part_size: int, workers: int) -> None:
    config = TransferConfig(multipart_chunksize=part_size, max_concurrency=workers)
    folder.mkdir()
    for item in client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")["Contents"]:
        client.download_file(BUCKET, item["Key"], str(folder / Path(item["Key"]).name), Config=config)


VERBS = (upload_ours, download_ours, download_unsynced_ours, upload_boto3, download_boto3)
TRANSFERS = {verb.__name__: verb for verb in VERBS}

if __name__ == "__main__":
    name, endpoint_url, where, key_prefix, part_mib, threads = sys.argv[1:]
    s3 = s3_client(endpoint_url)
    s3.list_buckets()
    started = time.monotonic()
    TRANSFERS[name](s3, Path(where), key_prefix, int(part_mib) * MIB, int(threads))
    seconds = time.monotonic() - started
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}))
