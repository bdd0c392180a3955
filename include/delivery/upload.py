"""Deliver a checkpoint to a prefix in S3 and verify it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from include.checkpoint.files.reading import UriReader, verify_pins
from include.checkpoint.files.segments import Checkpoint, Segment
from include.checkpoint.writing.progress import Progress
from include.delivery.derivation import derive_checksums
from include.delivery.destination import Destination
from include.delivery.errors import ManifestInsidePrefixError, StaleObjectsError
from include.delivery.manifest import DeliveredFile, Manifest, digests_of_written, installed_versions
from include.delivery.open_uploads import abort, list_open_uploads
from include.delivery.part_store import PartStore
from include.delivery.relocation import relocate
from include.delivery.remote import list_objects, list_with_checksums
from include.delivery.tally import Tally
from include.delivery.transfer import Transfer, TransferSettings
from include.delivery.upload_plan import RemoteObject, UploadPlan, plan_upload
from include.delivery.verification import check_delivery
from include.sources.checksums import encode
from include.sources.rate import RateLimit

log = logging.getLogger(__name__)

DEFAULT_SETTINGS = TransferSettings()


@dataclass(frozen=True)
class DeliveryReport:
    """What an upload did. The byte counts add up to the checkpoint's size."""

    s3_uri: str
    files: int
    bytes_sent: int
    bytes_copied: int
    bytes_reused: int
    seconds: float


def upload(
    client: Any,
    checkpoint: Checkpoint,
    bucket: str,
    prefix: str,
    *,
    manifest_key: str,
    fingerprint: str,
    proof: Mapping[str, Any] | None,
    progress: Progress,
    settings: TransferSettings = DEFAULT_SETTINGS,
    read_ranges: Iterable[Segment] = (),
    earlier: Iterable[Manifest] = (),
) -> DeliveryReport:
    """Upload the checkpoint's files to ``prefix``, verify them, then write the manifest; return a report.

    Files and parts that exist already are not sent again. Ranges that are in S3 are copied inside S3. ``progress`` is
    called as each part is done, from several threads, one at a time. ``read_ranges`` are the base's ranges that a
    ReadLedger recorded; with them the checksum of a merged object is known before it exists. Bytes that the complete
    deliveries ``earlier`` hold are copied from there.

    Raises:
        SourceChangedError: a source is not the one that was prepared.
        StaleObjectsError: the prefix holds other objects.
        ChecksumMismatchError, DeliveryDiffersError, DeliveryIncompleteError: what arrived is not what was prepared.
        S3RequestError: S3 refused a request or went on failing. What it stored stays for the next run.
    """
    started = time.monotonic()
    prefix = prefix.strip("/")
    _check_manifest_key(manifest_key, prefix)
    destination = Destination(client, bucket, prefix, settings.attempts)
    tally = Tally(progress, len(checkpoint.files), checkpoint.size)
    delivered = store_files(destination, relocate(checkpoint, earlier), settings, tally, read_ranges)
    _write_manifest(destination, manifest_key, _manifest(destination, checkpoint, delivered, fingerprint, proof))
    return DeliveryReport(
        destination.uri(), len(delivered), tally.sent, tally.copied, tally.reused, time.monotonic() - started
    )


def store_files(
    destination: Destination,
    checkpoint: Checkpoint,
    settings: TransferSettings,
    tally: Tally,
    read_ranges: Iterable[Segment] = (),
) -> list[RemoteObject]:
    """Bring the checkpoint's files, and nothing else, to the destination; verify and return them.

    Raises what ``upload`` raises.
    """
    reader = UriReader(destination.client)
    verify_pins(checkpoint, reader)
    checksums = derive_checksums(destination.client, checkpoint, read_ranges)
    remote = list_with_checksums(destination, checkpoint.names())
    plan = plan_upload(checkpoint, remote, settings.part_size, checksums)
    if plan.extra:
        raise StaleObjectsError(destination.uri(), plan.extra)
    tally.add(reused=sum(found.size for found in plan.reused), files=len(plan.reused))
    delivered = [*plan.reused, *_transfer(destination, checkpoint, plan, settings, tally)]
    check_delivery(destination.uri(), delivered, list_objects(destination))
    return delivered


def _check_manifest_key(manifest_key: str, prefix: str) -> None:
    if manifest_key.startswith(f"{prefix}/"):
        raise ManifestInsidePrefixError(manifest_key, prefix)


def _transfer(
    destination: Destination, checkpoint: Checkpoint, plan: UploadPlan, settings: TransferSettings, tally: Tally
) -> list[RemoteObject]:
    limit = RateLimit(settings.bytes_per_second)
    store = PartStore(destination, UriReader(destination.client), checkpoint.pins, limit, tally)
    open_uploads = list_open_uploads(destination)
    delivered = Transfer(destination, store, settings.workers, tally).deliver(plan.files, open_uploads)
    verify_pins(checkpoint, UriReader(destination.client))
    for upload_left in list_open_uploads(destination):
        abort(destination, upload_left.name, upload_left.upload_id)
    return delivered


def _manifest(
    destination: Destination,
    checkpoint: Checkpoint,
    delivered: Iterable[RemoteObject],
    fingerprint: str,
    proof: Mapping[str, Any] | None,
) -> Manifest:
    return Manifest(
        fingerprint=fingerprint,
        s3_uri=destination.uri(),
        files=tuple(_delivered_file(checkpoint, found) for found in sorted(delivered, key=lambda it: it.name)),
        pins=checkpoint.pins,
        notes=checkpoint.notes,
        sha256=digests_of_written(checkpoint),
        proof=proof,
        created_at=datetime.now(UTC),
        versions=installed_versions(),
    )


def _delivered_file(checkpoint: Checkpoint, found: RemoteObject) -> DeliveredFile:
    crc = encode(found.crc64nvme) if found.crc64nvme is not None else None
    segments = checkpoint.file(found.name).segments
    return DeliveredFile(name=found.name, size=found.size, crc64nvme=crc, etag=found.etag, segments=segments)


def _write_manifest(destination: Destination, key: str, manifest: Manifest) -> None:
    destination.call(
        "put_object",
        Key=key,
        Body=manifest.model_dump_json(indent=1).encode(),
        ContentType="application/json",
        ChecksumAlgorithm="CRC64NVME",
    )
