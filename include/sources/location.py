"""The forms of a source's location in a model's file or the trigger form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from include.sources.errors import SourceSpecInvalidError

SageMakerKind = Literal["training-job", "model", "model-package"]

_S3 = re.compile(r"s3://(?P<bucket>[a-z0-9][-.a-z0-9]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?")
_SAGEMAKER_NAME = re.compile(r"sagemaker:(?P<kind>training-job|model)/(?P<name>[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62})")
_SAGEMAKER_ARN = re.compile(
    r"arn:aws(?:-[^:]+)?:sagemaker:(?P<region>[a-z0-9-]+):\d{12}:"
    r"(?P<kind>training-job|model-package|model)/(?P<name>[a-zA-Z0-9][-a-zA-Z0-9]*(?:/\d+)?)"
)
_OTHER_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")


@dataclass(frozen=True)
class FolderLocation:
    """A folder on this machine."""

    path: Path


@dataclass(frozen=True)
class S3Location:
    """All objects under ``prefix`` (without a slash at its end; may be empty), or the one archive of this key."""

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def is_archive(self) -> bool:
        """Return whether the key names a tar archive."""
        return self.prefix.endswith((".tar.gz", ".tgz", ".tar"))


@dataclass(frozen=True)
class SageMakerLocation:
    """A SageMaker training job, model or model package.

    ``name`` is the name or, for a package, the ARN. ``region`` is known if an ARN was given.
    """

    kind: SageMakerKind
    name: str
    region: str | None = None


Location = FolderLocation | S3Location | SageMakerLocation


def parse_location(spec: str) -> Location:
    """Parse ``spec``; whether the location exists is not checked.

    Forms: a folder's path, ``s3://bucket/prefix``, ``sagemaker:training-job/NAME``, ``sagemaker:model/NAME``, and the
    ARN of a SageMaker training job, model or model package.

    Raises:
        SourceSpecInvalidError: it has none of these forms.
    """
    spec = spec.strip()
    if match := _S3.fullmatch(spec):
        return S3Location(match["bucket"], (match["prefix"] or "").rstrip("/"))  # a key may begin with a slash
    if match := _SAGEMAKER_NAME.fullmatch(spec):
        return SageMakerLocation(_kind(match), match["name"])
    if match := _SAGEMAKER_ARN.fullmatch(spec):
        name = spec if match["kind"] == "model-package" else match["name"]
        return SageMakerLocation(_kind(match), name, match["region"])
    if not spec or _OTHER_SCHEME.match(spec):
        raise SourceSpecInvalidError(spec)
    return FolderLocation(Path(spec).expanduser())


def _kind(match: re.Match[str]) -> SageMakerKind:
    kind: SageMakerKind = match["kind"]  # type: ignore[assignment]  # the pattern allows nothing else
    return kind
