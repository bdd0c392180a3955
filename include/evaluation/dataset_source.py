"""Read a data set's bytes from a folder or from S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from include.aws.s3_uri import S3Uri, is_s3_uri
from include.aws.transient import NO_ANSWER
from include.evaluation.errors import DatasetNotFoundError, DatasetTooLargeError, DatasetUnreadableError

#: A data set is held in memory. A million questions with their answers stay below this.
MAX_BYTES = 256_000_000

ABSENT_CODES = frozenset({"NoSuchKey", "NoSuchBucket", "404"})


def read_bytes(uri: str, s3: Any) -> bytes:
    """Return the content of the file or ``s3://`` object.

    Raises:
        DatasetNotFoundError: there is none.
        DatasetUnreadableError: it cannot be read.
        DatasetTooLargeError: it is larger than ``MAX_BYTES``.
    """
    return _from_s3(uri, s3) if is_s3_uri(uri) else _from_folder(uri)


def _from_folder(uri: str) -> bytes:
    path = Path(uri)
    try:
        _check_size(uri, path.stat().st_size)
        return path.read_bytes()
    except FileNotFoundError:
        raise DatasetNotFoundError(uri) from None
    except OSError as error:
        raise DatasetUnreadableError(uri, str(error)) from error


def _from_s3(uri: str, s3: Any) -> bytes:
    try:
        answer = s3.get_object(**S3Uri.parse(uri).arguments)
        _check_size(uri, answer["ContentLength"])
        content: bytes = answer["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT_CODES:
            raise DatasetNotFoundError(uri) from error
        raise DatasetUnreadableError(uri, str(error)) from error
    except NO_ANSWER as error:
        raise DatasetUnreadableError(uri, str(error)) from error
    return content


def _check_size(uri: str, size: int) -> None:
    if size > MAX_BYTES:
        raise DatasetTooLargeError(uri, MAX_BYTES, size)
