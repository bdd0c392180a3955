"""Transfer files to S3, several parts at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from include.aws.calls import ATTEMPTS
from include.aws.errors import S3RequestError
from include.delivery.destination import Destination
from include.delivery.errors import ChecksumMismatchError, DeliveryDiffersError
from include.delivery.open_uploads import OpenUpload, abort, list_kept_parts
from include.delivery.part_store import PartStore, StoredPart, condition
from include.delivery.remote import RECIPE, head
from include.delivery.tally import Tally
from include.delivery.upload_plan import FilePlan, RemoteObject, is_same
from include.sources.checksums import combine, decode, encode

log = logging.getLogger(__name__)

# Error codes of S3 when another client completed or aborted this upload, or wrote this object, in the meantime.
OVERTAKEN = frozenset({"NoSuchUpload", "PreconditionFailed", "ConditionalRequestConflict"})
RESTARTS = 3


@dataclass(frozen=True)
class TransferSettings:
    """Concurrency and part size. Memory is about ``workers`` x ``part_size``, twice that for joined parts."""

    part_size: int = 8 * 2**20
    workers: int = 8
    bytes_per_second: float | None = None
    attempts: int = ATTEMPTS


@dataclass(frozen=True)
class _Multipart:
    """A file whose parts are being stored."""

    plan: FilePlan
    upload_id: str
    parts: Sequence[Future[StoredPart]]


class Transfer:
    """Deliver files to one destination with a pool of threads."""

    def __init__(self, destination: Destination, store: PartStore, workers: int, tally: Tally) -> None:
        self._destination = destination
        self._tally = tally
        self._store = store
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="delivery")

    def deliver(self, plans: Iterable[FilePlan], open_uploads: Iterable[OpenUpload]) -> list[RemoteObject]:
        """Store every file and return the objects; parts of ``open_uploads`` are reused.

        When it fails, the parts that S3 holds by then stay for the next run.

        Raises:
            S3RequestError: S3 refused a request or went on failing.
            ChecksumMismatchError: a source did not hold what the checkpoint says.
            DeliveryDiffersError: another writer put something else under a name.
        """
        oldest_first = sorted(open_uploads, key=lambda upload: upload.initiated)
        resumable = {upload.name: upload for upload in oldest_first if upload.resumable}
        try:
            started = [(plan, self._start(plan, resumable.get(plan.name))) for plan in plans]
            return [self._counted(self._finish(plan, under_way)) for plan, under_way in started]
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _counted(self, delivered: RemoteObject) -> RemoteObject:
        self._tally.add(files=1)
        return delivered

    def _start(self, plan: FilePlan, upload: OpenUpload | None = None) -> Future[RemoteObject] | _Multipart:
        if len(plan.parts) == 1 and not plan.parts[0].copied:
            return self._pool.submit(self._store.put, plan)
        kept = list_kept_parts(self._destination, upload) if upload else {}
        upload_id = upload.upload_id if upload and kept else self._create(plan)
        parts = [
            self._pool.submit(self._store.store, plan, upload_id, part, kept.get(part.number)) for part in plan.parts
        ]
        return _Multipart(plan, upload_id, parts)

    def _create(self, plan: FilePlan) -> str:
        answer = self._destination.call(
            "create_multipart_upload",
            plan.name,
            ChecksumAlgorithm="CRC64NVME",
            ChecksumType="FULL_OBJECT",
            Metadata={RECIPE: plan.recipe},
        )
        upload_id: str = answer["UploadId"]
        return upload_id

    def _finish(
        self, plan: FilePlan, under_way: Future[RemoteObject] | _Multipart, restarts: int = RESTARTS
    ) -> RemoteObject:
        """Wait for a file. A file that another run completed is accepted; an upload that it aborted starts again."""
        try:
            return self._complete(under_way) if isinstance(under_way, _Multipart) else under_way.result()
        except S3RequestError as error:
            if error.code not in OVERTAKEN:
                raise
            log.info("%s: %s; looking at what is there", self._destination.uri(plan.name), error.code)
            found = self._find(plan.name)
            if found and is_same(found, plan.size, plan.crc64nvme, plan.recipe):
                return found
            if error.code == "PreconditionFailed":
                raise self._differs(plan.name, f"{plan.size} bytes of recipe {plan.recipe}", found) from error
            if not restarts:
                raise
        return self._finish(plan, self._start(plan), restarts - 1)

    def _find(self, name: str) -> RemoteObject | None:
        try:
            return head(self._destination, name)
        except S3RequestError as error:
            if error.code != "404":
                raise
            return None

    def _complete(self, file: _Multipart) -> RemoteObject:
        parts = [part.result() for part in file.parts]
        expected = self._expected_crc(file, parts)
        proof = {"ChecksumCRC64NVME": encode(expected), "ChecksumType": "FULL_OBJECT"} if expected is not None else {}
        answer = self._destination.call(
            "complete_multipart_upload",
            file.plan.name,
            UploadId=file.upload_id,
            MultipartUpload={"Parts": [part.as_argument() for part in parts]},
            MpuObjectSize=file.plan.size,
            **proof,
            **condition(file.plan),
        )
        return self._completed(file.plan, answer, expected)

    def _expected_crc(self, file: _Multipart, parts: Sequence[StoredPart]) -> int | None:
        known = [(part.crc64nvme, part.length) for part in parts if part.crc64nvme is not None]
        found = combine(known) if len(known) == len(parts) else None
        promised = file.plan.crc64nvme
        if promised is None or found is None or promised == found:
            return found if promised is None else promised
        abort(self._destination, file.plan.name, file.upload_id)
        raise ChecksumMismatchError(file.plan.name, encode(promised), encode(found))

    def _completed(self, plan: FilePlan, answer: dict[str, Any], expected: int | None) -> RemoteObject:
        reported = answer.get("ChecksumCRC64NVME")
        crc = decode(reported) if reported else head(self._destination, plan.name).crc64nvme
        found = RemoteObject(
            plan.name, plan.size, answer["ETag"].strip('"'), expected if crc is None else crc, plan.recipe
        )
        if expected is not None and found.crc64nvme != expected:
            raise self._differs(plan.name, f"CRC64NVME {expected}", found)
        return found

    def _differs(self, name: str, expected: str, found: RemoteObject | None) -> DeliveryDiffersError:
        return DeliveryDiffersError(self._destination.uri(name), expected, str(found))
