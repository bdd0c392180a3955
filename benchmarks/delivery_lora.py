"""Import of a base in S3 + a LoRA on q and v, against sending everything: bytes, disk and time over a limited link.

Each step is run in a process of its own by ``benchmarks.delivery``, as Airflow runs tasks; prints JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.delivery_run import BUCKET, checkpoint_of, peak_mib, s3_client
from include.checkpoint.files.reading import RangeReader, UriReader
from include.checkpoint.files.segments import Checkpoint, Pin
from include.checkpoint.writing.progress import no_progress
from include.delivery.transfer import TransferSettings
from include.delivery.upload import DeliveryReport, upload
from include.sources.patient_reader import PatientReader
from include.sources.rate import RateLimit
from include.sources.read_ahead import read_ahead
from include.sources.read_ledger import ReadLedger, load_ranges


class CountingReader:
    """Passes everything through, and counts what is read from S3."""

    def __init__(self, reader: RangeReader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self.bytes_read = 0

    def read(self, uri: str, offset: int, length: int) -> bytes:
        if uri.startswith("s3://"):
            with self._lock:
                self.bytes_read += length
        return self._reader.read(uri, offset, length)

    def pin(self, uri: str) -> Pin:
        return self._reader.pin(uri)

    def files(self, uri: str) -> dict[str, Pin]:
        return self._reader.files(uri)


def deliver(client: Any, checkpoint: Checkpoint, prefix: str, rate: float, **options: Any) -> DeliveryReport:
    return upload(
        client,
        checkpoint,
        BUCKET,
        prefix,
        manifest_key=f"{prefix}-manifest.json",
        fingerprint="0" * 64,
        proof=None,
        progress=no_progress,
        settings=TransferSettings(bytes_per_second=rate),
        **options,
    )


def count_sent(client: Any, sent: list[int]) -> None:
    """Note the body bytes of every request."""

    def note(request: Any, **_: Any) -> None:
        sent.append(int(request.headers.get("Content-Length", 0)))

    client.meta.events.register("before-send.s3", note)


def merge(client: Any, work: Path, rate: float) -> dict[str, float]:
    """Merge by range reads, and leave the checkpoint and what was read for the process that delivers."""
    from include.checkpoint.files.folder import checkpoint_of_folder
    from include.checkpoint.lora.merging import merge as merge_lora

    reader = CountingReader(PatientReader(UriReader(client), limit=RateLimit(rate)))
    started = time.monotonic()
    base = checkpoint_of_folder(f"s3://{BUCKET}/base", reader)
    with read_ahead(base, reader) as ahead:
        ledger = ReadLedger(ahead)
        merged = merge_lora(base, work / "adapter", work / "overlay", reader=ledger).checkpoint
    merged.save(work / "merged.json")
    (work / "reads.json").write_bytes(ledger.to_json())
    seconds = time.monotonic() - started
    disk = sum(path.stat().st_size for path in (work / "overlay").iterdir())
    return {"whole": merged.size, "read": reader.bytes_read, "disk": disk, "merge_seconds": seconds}


def deliver_merged(client: Any, work: Path, rate: float) -> dict[str, float]:
    sent: list[int] = []
    count_sent(client, sent)
    ranges = load_ranges((work / "reads.json").read_bytes())
    report = deliver(client, Checkpoint.load(work / "merged.json"), "merged", rate, read_ranges=ranges)
    return {"sent": sum(sent), "copied": report.bytes_copied, "deliver_seconds": report.seconds}


def send_all(client: Any, folder: Path, rate: float) -> dict[str, float]:
    return {"all_seconds": deliver(client, checkpoint_of(folder), "all", rate).seconds}


STEPS = {"merge": merge, "deliver": deliver_merged, "all": send_all}

if __name__ == "__main__":
    step, endpoint_url, where, mb_per_second = sys.argv[1:]
    result = STEPS[step](s3_client(endpoint_url), Path(where), float(mb_per_second) * 1e6)
    print(json.dumps({**result, f"{step}_peak_mib": peak_mib()}))
