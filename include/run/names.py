"""Names, tokens and S3 URIs of an import, checked against the service's patterns before any work.

Patterns and lengths are those of botocore's ``bedrock`` and ``sagemaker`` service models; botocore itself does not
check patterns or maximum lengths on the client side.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from include.aws.s3_uri import S3Uri
from include.config.names import MODEL_NAME_MAX_LENGTH, MODEL_NAME_PATTERN, SHORT_FINGERPRINT_LENGTH
from include.errors import ModelImportError
from include.run.identity import ImportIdentity

JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9+\-.])*")
IMPORTED_MODEL_NAME = re.compile(r"([0-9a-zA-Z][_-]?)+")
CLIENT_REQUEST_TOKEN = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,254}[a-zA-Z0-9])?")
S3_URI = re.compile(r"s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](?:/[-!_*'().a-z0-9A-Z]+(?:/[-!_*'().a-z0-9A-Z]+)*)?/?")
MAX_NAME_LENGTH = 63
EVALUATIONS = "evaluations"
BASELINE = "baseline"
MAX_S3_URI_LENGTH = 1024
#: Model, content, the run that was forced (cut short in the longest names), and the attempt.
_OWN_IMPORTED_MODEL = re.compile(
    rf"(?P<model_name>.+?)-[0-9a-f]{{{SHORT_FINGERPRINT_LENGTH}}}(-[0-9a-f]{{5,8}})?(-[0-9]+)?"
)


class NameInvalidError(ModelImportError):
    """A name, token or URI that the service would reject."""

    def __init__(self, kind: str, value: str, expected: str) -> None:
        super().__init__(f"The service would refuse this {kind}", repr(value), expected, remedy="Change it.")


class ImportNames(NamedTuple):
    """The names of one import, derived from the model's name and the fingerprint of its content."""

    model_name: str
    fingerprint: str
    imported_model_name: str
    job_name: str
    client_request_token: str
    s3_uri: str
    manifest_key: str
    evaluation_prefix: str


def _check(kind: str, value: str, pattern: re.Pattern[str], max_length: int) -> str:
    if len(value) > max_length or not pattern.fullmatch(value):
        raise NameInvalidError(kind, value, f"at most {max_length} characters matching {pattern.pattern}")
    return value


def check_s3_uri(s3_uri: str) -> str:
    """Return ``s3_uri`` if Bedrock accepts it as a model's location, else raise NameInvalidError."""
    return _check("S3 URI", s3_uri, S3_URI, MAX_S3_URI_LENGTH)


def import_folder(model_name: str, fingerprint: str) -> str:
    """Return the folder of an import in S3, below the account's prefix."""
    return f"{model_name}/{fingerprint[:SHORT_FINGERPRINT_LENGTH]}"


def baseline_folder(model_name: str, prefix: str) -> str:
    """Return the folder in S3 of the answers that a model's baseline gave; ``prefix`` is the account's."""
    return "/".join(part for part in (prefix.strip("/"), model_name, BASELINE) if part)


def import_names(model_name: str, identity: ImportIdentity, bucket: str, prefix: str) -> ImportNames:
    """Return the names under which this content is imported.

    Args:
        model_name: the model's name in its file, e.g. ``capitals``.
        identity: the content, and the import of it.
        bucket: bucket that holds imports.
        prefix: key prefix in it, without slashes at its ends; may be empty.

    Raises:
        NameInvalidError: one of the names would be rejected by Bedrock or S3.
    """
    _check("model name", model_name, re.compile(MODEL_NAME_PATTERN), MODEL_NAME_MAX_LENGTH)
    fingerprint = identity.fingerprint
    name = f"{model_name}-{identity.short}"
    root = "/".join(part for part in (prefix, import_folder(model_name, fingerprint)) if part)
    return ImportNames(
        model_name=model_name,
        fingerprint=fingerprint,
        imported_model_name=_check("imported model name", name, IMPORTED_MODEL_NAME, MAX_NAME_LENGTH),
        job_name=_check("job name", name, JOB_NAME, MAX_NAME_LENGTH),
        client_request_token=_check("client request token", name, CLIENT_REQUEST_TOKEN, 256),
        s3_uri=check_s3_uri(str(S3Uri(bucket, f"{root}/checkpoint/"))),
        manifest_key=f"{root}/manifest.json",
        evaluation_prefix=f"{root}/{EVALUATIONS}",
    )


def model_name_of(imported_model_name: str) -> str:
    """Return the model's name from an imported model's or job's name; empty if ``import_names`` did not create it."""
    found = _OWN_IMPORTED_MODEL.fullmatch(imported_model_name)
    return found["model_name"] if found else ""
