"""Identify the import of a run: by its content and, for a forced import, by the DAG run."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from include.config.names import SHORT_FINGERPRINT_LENGTH

_RUN_LENGTH = 8


class ImportIdentity(NamedTuple):
    """``content`` identifies what is imported, ``fingerprint`` the import; they differ only for forced runs."""

    content: str
    fingerprint: str

    @property
    def forced(self) -> bool:
        """Return whether this is a forced import."""
        return self.content != self.fingerprint

    @property
    def short(self) -> str:
        """Return the part of a name that identifies the import; at most 21 characters."""
        run = f"-{self.fingerprint[:_RUN_LENGTH]}" if self.forced else ""
        return f"{self.content[:SHORT_FINGERPRINT_LENGTH]}{run}"


def forced_identity(content: str, run: str) -> ImportIdentity:
    """Return the identity of a DAG run's forced import of the content, the same at every try.

    Args:
        content: 64 hexadecimal digits.
        run: identifies the DAG run.
    """
    return ImportIdentity(content, hashlib.sha256(f"{content}/{run}".encode()).hexdigest())


def existing_identity(bedrock: Any, model_name: str, content: str) -> ImportIdentity:
    """Return the identity under which the content is imported already, else that of its first import.

    The first import is preferred; if its model is gone, the newest forced one.
    """
    from include.aws.calls import find_imported_model
    from include.aws.imported_models import model_summaries
    from include.aws.model_use import read_tags

    first = ImportIdentity(content, content)
    name = f"{model_name}-{first.short}"
    if find_imported_model(bedrock, name):
        return first
    for summary in model_summaries(bedrock, f"{name}-"):
        tags = read_tags(bedrock, summary["modelArn"]) or {}
        if tags.get("content") == content and tags.get("model_name") == model_name:
            return ImportIdentity(content, tags["fingerprint"])
    return first
