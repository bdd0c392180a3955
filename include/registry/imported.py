"""Ask Bedrock whether the imported model of a version still exists."""

from __future__ import annotations

from typing import Any

from include.aws.calls import find_imported_model
from include.registry.errors import VersionNotImportedError
from include.registry.versions import ModelVersion


def is_imported(version: ModelVersion, bedrock: Any) -> bool:
    """Return whether the version names an imported model that Bedrock has.

    Args:
        version: the version.
        bedrock: a Bedrock client, in the region of the imported model.
    """
    arn = version.imported_model_arn
    return bool(arn) and find_imported_model(bedrock, arn) is not None


def check_imported(group: str, version: ModelVersion, bedrock: Any) -> None:
    """Raise VersionNotImportedError unless the version's imported model exists."""
    if not is_imported(version, bedrock):
        raise VersionNotImportedError(group, version.number, version.imported_model_arn)
