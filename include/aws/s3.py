"""Send S3 requests, retry transient failures, and explain the others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from include.aws.calls import ATTEMPTS, patiently
from include.aws.errors import S3RequestError
from include.aws.remedies import remedy_for_no_answer
from include.aws.s3_uri import S3Uri
from include.aws.transient import NO_ANSWER

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList (RequestTimeTooSkewed)
MAX_SKEW_SECONDS = 15 * 60
REMEDIES = {
    "301": "The bucket is in another region: set the region to the bucket's.",
    "403": "Check the policies of the bucket, its KMS key and the credentials in use.",
    "AccessDenied": "Check the policies of the bucket, its KMS key and the credentials in use.",
    "InvalidObjectState": "The object is archived: restore it (aws s3api restore-object), then run again.",
    "NoSuchBucket": "Create the bucket, or correct its name.",
    "PermanentRedirect": "The bucket is in another region: set the region to the bucket's.",
    "RequestTimeTooSkewed": "This machine's clock is wrong: synchronise it.",
    "SlowDown": "S3 limits the rate: run again later, or use fewer workers.",
}


def request(
    client: Any, operation: str, uri: str, arguments: Mapping[str, Any], attempts: int = ATTEMPTS
) -> dict[str, Any]:
    """Send one S3 request about ``uri``, at most ``attempts`` times.

    Raises:
        S3RequestError: S3 refused it, or every attempt failed.
    """
    from botocore.exceptions import ClientError

    try:
        answer: dict[str, Any] = patiently(lambda: getattr(client, operation)(**arguments), attempts)
    except ClientError as error:
        code, message = error_code(error), error.response["Error"].get("Message", "")
        raise S3RequestError(uri, operation, code, message, REMEDIES.get(code, "")) from error
    except NO_ANSWER as error:
        raise S3RequestError(uri, operation, type(error).__name__, str(error), remedy_for_no_answer(error)) from error
    return answer


def objects_under(client: Any, bucket: str, prefix: str, attempts: int = ATTEMPTS) -> Iterator[dict[str, Any]]:
    """Yield the objects under a prefix, as ListObjectsV2 describes them, a thousand a request.

    Raises:
        S3RequestError: S3 refused a request.
    """
    arguments = {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = request(client, "list_objects_v2", f"s3://{bucket}/{prefix}", arguments, attempts)
        yield from page.get("Contents", ())
        if not page.get("IsTruncated"):
            return
        arguments["ContinuationToken"] = page["NextContinuationToken"]


def read_object_if_any(client: Any, uri: str) -> bytes | None:
    """Return the content of an object at an ``s3://`` URI, or None where there is none.

    Raises:
        S3RequestError: S3 refused the request.
    """
    try:
        body: bytes = request(client, "get_object", uri, S3Uri.parse(uri).arguments)["Body"].read()
    except S3RequestError as error:
        if error.code == "NoSuchKey":
            return None
        raise
    return body


def error_code(error: ClientError) -> str:
    """Return the code of S3's answer; the answer to HEAD has no body, so a wrong clock is seen by the answer's date."""
    code: str = error.response["Error"].get("Code", "")
    date = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if code == "403" and date and abs(time.time() - parsedate_to_datetime(date).timestamp()) > MAX_SKEW_SECONDS:
        return "RequestTimeTooSkewed"
    return code


def remedy_for(code: str) -> str:
    """Return what to do about an error code of S3 or a network failure."""
    return REMEDIES.get(code, "Check the network, and run the task again.")
