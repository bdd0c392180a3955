"""What a request says about its own bytes, and whether that is true."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from include.local_aws.s3.checksums import ALGORITHMS, DEFAULT_ALGORITHM, MD5, SHA256, Algorithm, decoded, encoded
from include.local_aws.s3.errors import (
    BadDigestError,
    ContentSha256MismatchError,
    IncompleteBodyError,
    InvalidDigestError,
    InvalidRequestError,
    MalformedTrailerError,
    NotImplementedByStandInError,
)
from include.local_aws.s3.stored_bytes import StoredBytes

CHECKSUM_HEADER = re.compile(r"x-amz-checksum-(?!algorithm$|type$|mode$)(.+)")


@dataclass(frozen=True)
class Integrity:
    """The checksums a request announces: of the algorithm, in the header or in the trailer."""

    algorithm: Algorithm | None = None
    checksum: str | None = None
    in_trailer: bool = False
    content_md5: str | None = None
    content_sha256: str | None = None
    decoded_length: int | None = None

    @property
    def needed(self) -> tuple[Algorithm, ...]:
        """The checksums to compute while the body arrives: those to compare, and those S3 keeps for every object."""
        wanted = [MD5, ALGORITHMS[DEFAULT_ALGORITHM], *([self.algorithm] if self.algorithm else [])]
        return tuple(dict.fromkeys([*wanted, *([SHA256] if self.content_sha256 else [])]))

    def verify(self, body: StoredBytes, trailers: Mapping[str, str]) -> None:
        """Raise the S3Error that S3 answers with when the body is not the announced one."""
        self._verify_length(body)
        self._verify_content_sha256(body)
        self._verify_content_md5(body)
        if self.algorithm is not None:
            expected = trailers.get(checksum_header(self.algorithm)) if self.in_trailer else self.checksum
            verify_checksum(self.algorithm, expected, body)

    def _verify_length(self, body: StoredBytes) -> None:
        if self.decoded_length is not None and self.decoded_length != len(body):
            raise IncompleteBodyError(
                "The request body terminated unexpectedly: "
                f"x-amz-decoded-content-length is {self.decoded_length}, {len(body)} bytes arrived"
            )

    def _verify_content_sha256(self, body: StoredBytes) -> None:
        if self.content_sha256 is not None and self.content_sha256.lower() != body.digest(SHA256).hex():
            raise ContentSha256MismatchError(
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                ClientComputedContentSHA256=self.content_sha256,
                S3ComputedContentSHA256=body.digest(SHA256).hex(),
            )

    def _verify_content_md5(self, body: StoredBytes) -> None:
        if self.content_md5 is None:
            return
        expected = decoded(self.content_md5, MD5.size)
        if expected is None:
            raise InvalidDigestError("The Content-MD5 you specified was invalid.")
        if expected != body.digest(MD5):
            raise BadDigestError(
                "The Content-MD5 you specified did not match what we received.",
                ExpectedDigest=self.content_md5,
                CalculatedDigest=encoded(body.digest(MD5)),
            )


def checksum_header(algorithm: Algorithm) -> str:
    """Return the header that carries a checksum of this algorithm."""
    return f"x-amz-checksum-{algorithm.name.lower()}"


def verify_checksum(algorithm: Algorithm, expected: str | None, body: StoredBytes) -> None:
    """Raise unless `expected` is the checksum of the body."""
    if expected is None:
        raise MalformedTrailerError(
            "The request contained trailing data that was not well-formed or did not conform to our published schema: "
            f"{checksum_header(algorithm)} was announced and did not arrive"
        )
    if decoded(expected, algorithm.size) is None:
        raise InvalidRequestError(f"Value for {checksum_header(algorithm)} header is invalid.")
    if decoded(expected, algorithm.size) != body.digest(algorithm):
        raise BadDigestError(f"The {algorithm.name} you specified did not match the calculated checksum.")


def announced_integrity(headers: Mapping[str, str]) -> Integrity:
    """Return what the headers (lower-case names) announce.

    Raises InvalidRequestError when they contradict themselves, NotImplementedByStandInError for other algorithms.
    """
    checksum = announced_checksum(headers)
    trailer = headers.get("x-amz-trailer", "").strip().lower()
    in_trailer = CHECKSUM_HEADER.fullmatch(trailer)
    sha256 = headers.get("x-amz-content-sha256", "")
    length = headers.get("x-amz-decoded-content-length")
    algorithm = known_algorithm(in_trailer[1]) if in_trailer else checksum[0] if checksum else None
    _check_named_algorithm(headers.get("x-amz-sdk-checksum-algorithm"), algorithm)
    return Integrity(
        algorithm=algorithm,
        checksum=checksum[1] if checksum else None,
        in_trailer=in_trailer is not None,
        content_md5=headers.get("content-md5"),
        content_sha256=sha256 if re.fullmatch("[0-9a-fA-F]{64}", sha256) else None,
        decoded_length=int(length) if length else None,
    )


def announced_checksum(headers: Mapping[str, str]) -> tuple[Algorithm, str] | None:
    """Return the algorithm and value of the request's x-amz-checksum-… header; there may be one at most."""
    found = [(match[1], headers[name]) for name in headers if (match := CHECKSUM_HEADER.fullmatch(name))]
    if len(found) > 1:
        raise InvalidRequestError("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    return (known_algorithm(found[0][0]), found[0][1]) if found else None


def known_algorithm(name: str) -> Algorithm:
    """Return the algorithm of that name in any case, or raise."""
    if name.upper() not in ALGORITHMS:
        raise NotImplementedByStandInError(
            f"The checksum algorithm {name} is not emulated by this stand-in. It knows {', '.join(ALGORITHMS)}."
        )
    return ALGORITHMS[name.upper()]


def _check_named_algorithm(named: str | None, sent: Algorithm | None) -> None:
    if named is not None and sent is None:
        raise InvalidRequestError(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* "
            "or x-amz-trailer headers were found."
        )
    if named is not None and sent is not None and named.upper() != sent.name:
        raise InvalidRequestError("Value for x-amz-sdk-checksum-algorithm header is invalid.")
