"""The rules of multipart uploads, decided without I/O.

Source: Amazon S3 user guide, "Checking object integrity"; API reference, CreateMultipartUpload, UploadPart,
CompleteMultipartUpload; wording of refusals as users of the service report it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from include.local_aws.s3.checksums import ALGORITHMS, DEFAULT_ALGORITHM, MD5, Algorithm, decoded, digest_of, encoded
from include.local_aws.s3.errors import (
    BadDigestError,
    EntityTooSmallError,
    InvalidArgumentError,
    InvalidPartError,
    InvalidPartOrderError,
    InvalidRequestError,
    MalformedXmlError,
)
from include.local_aws.s3.integrity import announced_checksum, checksum_header
from include.local_aws.s3.preconditions import same_etag
from include.local_aws.s3.stored_bytes import StoredBytes, joined

COMPOSITE, FULL_OBJECT = "COMPOSITE", "FULL_OBJECT"
TYPES: Mapping[str, tuple[str, ...]] = {
    "CRC32": (COMPOSITE, FULL_OBJECT),
    "CRC32C": (COMPOSITE, FULL_OBJECT),
    "CRC64NVME": (FULL_OBJECT,),
    "SHA1": (COMPOSITE,),
    "SHA256": (COMPOSITE,),
}
"""The checksum types an algorithm can have; the first is the default."""
SMALLEST_PART = 5 * 1024 * 1024
MOST_PARTS = 10_000


@dataclass(frozen=True)
class UploadChecksum:
    """The checksum a multipart upload was created with. `named` is False when the client chose none."""

    algorithm: Algorithm
    type: str
    named: bool


@dataclass(frozen=True)
class CompletedPart:
    """A part as the CompleteMultipartUpload request names it."""

    number: int
    etag: str
    checksums: Mapping[str, str]


@dataclass(frozen=True)
class Completion:
    """A completed object: its bytes, its ETag and its checksum as headers show it."""

    body: StoredBytes
    etag: str
    checksum: str


def upload_checksum(algorithm: str | None, type_: str | None) -> UploadChecksum:
    """Return the checksum of an upload created with these headers, or raise InvalidRequestError."""
    name = (algorithm or DEFAULT_ALGORITHM).upper()
    if name not in ALGORITHMS:
        raise InvalidRequestError(f"Checksum algorithm provided is unsupported: {algorithm}")
    if algorithm is None and type_ is not None:
        raise InvalidRequestError("The x-amz-checksum-type header can only be used with x-amz-checksum-algorithm.")
    if type_ is not None and type_.upper() not in TYPES[name]:
        raise InvalidRequestError(
            f"The {type_} checksum type cannot be used with the {name.lower()} checksum algorithm."
        )
    return UploadChecksum(ALGORITHMS[name], type_.upper() if type_ else TYPES[name][0], algorithm is not None)


def check_part(number: int, upload: UploadChecksum, sent: Algorithm | None) -> None:
    """Raise unless a part of this number, with a checksum of the algorithm `sent`, fits the upload.

    An upload created without an algorithm takes parts with any: botocore adds CRC32 to them by default.
    """
    if not 1 <= number <= MOST_PARTS:
        raise InvalidArgumentError(
            f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=str(number),
        )
    optional = upload.type == FULL_OBJECT
    if upload.named and sent != upload.algorithm and not (optional and sent is None):
        raise InvalidRequestError(
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.name.lower()}, "
            f"actual checksum Type: {sent.name.lower() if sent else 'null'}"
        )


def completed_parts(xml: bytes) -> list[CompletedPart]:
    """Return the parts a CompleteMultipartUpload request names; raises MalformedXmlError."""
    try:
        parts = [_completed_part(element) for element in ElementTree.fromstring(xml) if _tag(element) == "Part"]
    except (ElementTree.ParseError, KeyError, ValueError):
        parts = []
    if not parts:
        raise MalformedXmlError(
            "The XML you provided was not well-formed or did not validate against our published schema"
        )
    return parts


def complete(
    upload: UploadChecksum,
    stored: Mapping[int, StoredBytes],
    given: Sequence[CompletedPart],
    headers: Mapping[str, str],
) -> Completion:
    """Return the object of an upload whose parts are `stored`; raises the S3Error that S3 answers with.

    `headers` are those of the CompleteMultipartUpload request, with lower-case names.
    """
    if any(later.number <= earlier.number for earlier, later in itertools.pairwise(given)):
        raise InvalidPartOrderError(
            "The list of parts was not in ascending order. The parts list must be specified in order by part number."
        )
    for part in given:
        _check_completed_part(part, stored.get(part.number), upload)
    bodies = [stored[part.number] for part in given]
    _check_sizes(given, bodies)
    completion = _joined(upload, bodies)
    _check_whole(upload, completion, headers)
    return completion


def _completed_part(element: ElementTree.Element) -> CompletedPart:
    texts = {_tag(child): (child.text or "").strip() for child in element}
    checksums = {name: texts[f"Checksum{name}"] for name in ALGORITHMS if f"Checksum{name}" in texts}
    return CompletedPart(int(texts["PartNumber"]), texts["ETag"], checksums)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _check_completed_part(part: CompletedPart, stored: StoredBytes | None, upload: UploadChecksum) -> None:
    given = part.checksums.get(upload.algorithm.name)
    if upload.type == COMPOSITE and given is None:
        raise InvalidRequestError(
            f"The upload was created using a {upload.algorithm.name.lower()} checksum. The complete request must "
            f"include the checksum for each part. It was missing for part {part.number} in the request."
        )
    if stored is None or not same_etag(part.etag, stored.digest(MD5).hex()) or not _fits(part, stored):
        raise InvalidPartError(
            "One or more of the specified parts could not be found. The part might not have been uploaded, or the "
            f"specified entity tag might not have matched the part's entity tag: part {part.number}",
            PartNumber=str(part.number),
            ETag=part.etag,
        )


def _fits(part: CompletedPart, stored: StoredBytes) -> bool:
    return all(
        decoded(value, ALGORITHMS[name].size) == stored.digest(ALGORITHMS[name])
        for name, value in part.checksums.items()
    )


def _check_sizes(given: Sequence[CompletedPart], bodies: Sequence[StoredBytes]) -> None:
    for part, body in zip(given[:-1], bodies[:-1], strict=True):
        if len(body) < SMALLEST_PART:
            raise EntityTooSmallError(
                "Your proposed upload is smaller than the minimum allowed size",
                ProposedSize=str(len(body)),
                MinSizeAllowed=str(SMALLEST_PART),
                PartNumber=str(part.number),
                ETag=part.etag,
            )


def _joined(upload: UploadChecksum, bodies: Sequence[StoredBytes]) -> Completion:
    full = upload.type == FULL_OBJECT
    body = joined(bodies, upload.algorithm if full else None)
    etag = digest_of(MD5, (part.digest(MD5) for part in bodies)).hex()
    composite = digest_of(upload.algorithm, (part.digest(upload.algorithm) for part in bodies))
    checksum = encoded(body.digest(upload.algorithm)) if full else f"{encoded(composite)}-{len(bodies)}"
    return Completion(body, f"{etag}-{len(bodies)}", checksum)


def _check_whole(upload: UploadChecksum, completion: Completion, headers: Mapping[str, str]) -> None:
    size = headers.get("x-amz-mp-object-size")
    if size is not None and size != str(len(completion.body)):
        raise InvalidRequestError(
            f"The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: "
            f"{len(completion.body)}"
        )
    type_, sent = headers.get("x-amz-checksum-type"), announced_checksum(headers)
    if type_ is not None and type_.upper() != upload.type:
        raise BadDigestError(
            f"The upload was created using the {upload.type} checksum mode. "
            "The complete request must use the same checksum mode."
        )
    if sent is not None:
        _check_whole_checksum(upload, completion, *sent)
        _check_type_is_said(upload, type_)


def _check_whole_checksum(upload: UploadChecksum, completion: Completion, algorithm: Algorithm, checksum: str) -> None:
    if algorithm != upload.algorithm:
        raise InvalidRequestError(
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.name.lower()}, "
            f"actual checksum Type: {algorithm.name.lower()}"
        )
    value, dash, count = checksum.partition("-")
    if decoded(value, algorithm.size) is None:
        raise InvalidRequestError(f"Value for {checksum_header(algorithm)} header is invalid.")
    if f"{value}{dash}{count}" not in (completion.checksum, completion.checksum.partition("-")[0]):
        raise BadDigestError(f"The {algorithm.name.lower()} you specified did not match the calculated checksum.")


def _check_type_is_said(upload: UploadChecksum, type_: str | None) -> None:
    """A full-object CRC32 or CRC32C is taken for a composite one unless the request says its type."""
    if type_ is None and upload.type != TYPES[upload.algorithm.name][0]:
        raise InvalidRequestError(
            f"The upload was created using the {upload.type} checksum mode. "
            "The complete request must use the same checksum mode."
        )
