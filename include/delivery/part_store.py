"""Store one part, or one small file, in S3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from include.aws.s3_uri import S3Uri
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Pin, Segment
from include.delivery.destination import Destination
from include.delivery.open_uploads import KeptPart
from include.delivery.parts import Part
from include.delivery.reading import read_part
from include.delivery.remote import RECIPE
from include.delivery.tally import Tally
from include.delivery.upload_plan import FilePlan, RemoteObject
from include.sources.checksums import combine, decode, encode
from include.sources.rate import RateLimit


@dataclass(frozen=True)
class StoredPart:
    """A part stored in S3; the CRC is None where neither the checkpoint nor S3 provides it."""

    number: int
    length: int
    etag: str
    crc64nvme: int | None

    def as_argument(self) -> dict[str, Any]:
        """Return the part as CompleteMultipartUpload expects it."""
        crc = {"ChecksumCRC64NVME": encode(self.crc64nvme)} if self.crc64nvme is not None else {}
        return {"PartNumber": self.number, "ETag": self.etag, **crc}


class PartStore:
    """Store parts and small files at one destination; thread-safe."""

    def __init__(
        self, destination: Destination, reader: RangeReader, pins: Iterable[Pin], limit: RateLimit, tally: Tally
    ) -> None:
        self._destination = destination
        self._reader = reader
        self._versions = {pin.uri: pin.version for pin in pins}
        self._limit = limit
        self._tally = tally

    def put(self, plan: FilePlan) -> RemoteObject:
        """Store a file with a single PutObject or CopyObject request."""
        data, crc = self._read(plan.parts[0])
        self._limit.take(len(data))
        answer = self._destination.call(
            "put_object",
            plan.name,
            Body=data,
            ChecksumAlgorithm="CRC64NVME",
            ChecksumCRC64NVME=encode(crc),
            Metadata={RECIPE: plan.recipe},
            **condition(plan),
        )
        self._tally.add(sent=len(data))
        return RemoteObject(plan.name, len(data), answer["ETag"].strip('"'), crc, plan.recipe)

    def store(self, plan: FilePlan, upload_id: str, part: Part, kept: KeptPart | None) -> StoredPart:
        """Store one part, unless the part that S3 kept is the same."""
        if part.copied:
            return self._copy(plan, upload_id, part, kept)
        data, crc = self._read(part)
        if kept and kept.holds(data, crc):
            self._tally.add(reused=part.length)
            return StoredPart(part.number, part.length, kept.etag, crc)
        self._limit.take(len(data))
        answer = self._destination.call(
            "upload_part",
            plan.name,
            UploadId=upload_id,
            PartNumber=part.number,
            Body=data,
            ChecksumAlgorithm="CRC64NVME",
            ChecksumCRC64NVME=encode(crc),
        )
        self._tally.add(sent=part.length)
        return StoredPart(part.number, part.length, answer["ETag"].strip('"'), crc)

    def _copy(self, plan: FilePlan, upload_id: str, part: Part, kept: KeptPart | None) -> StoredPart:
        crc = _crc_of(part.segments)
        if kept and kept.size == part.length and crc is not None and kept.crc64nvme == crc:
            self._tally.add(reused=part.length)
            return StoredPart(part.number, part.length, kept.etag, crc)
        answer = self._destination.call(
            "upload_part_copy",
            plan.name,
            UploadId=upload_id,
            PartNumber=part.number,
            **self._copy_source(part),
        )["CopyPartResult"]
        self._tally.add(copied=part.length)
        reported = answer.get("ChecksumCRC64NVME")
        known = crc if crc is not None or not reported else decode(reported)
        return StoredPart(part.number, part.length, answer["ETag"].strip('"'), known)

    def _copy_source(self, part: Part) -> dict[str, Any]:
        first = part.segments[0]
        bucket, key = S3Uri.parse(first.uri)
        version = self._versions.get(first.uri)
        return {
            "CopySource": {"Bucket": bucket, "Key": key},
            "CopySourceRange": f"bytes={first.offset}-{first.offset + part.length - 1}",
            **({"CopySourceIfMatch": version} if version else {}),
        }

    def _read(self, part: Part) -> tuple[bytes, int]:
        from awscrt.checksums import crc64nvme

        data = read_part(self._reader, part.segments, self._destination.attempts)
        return data, crc64nvme(data)


def condition(plan: FilePlan) -> dict[str, str]:
    """Return the condition of the write: the object is unchanged since the plan was made."""
    return {"IfMatch": plan.replaces} if plan.replaces else {"IfNoneMatch": "*"}


def _crc_of(segments: Iterable[Segment]) -> int | None:
    pieces = []
    for segment in segments:
        if segment.crc64nvme is None:
            return None
        pieces.append((segment.crc64nvme, segment.length))
    return combine(pieces)
