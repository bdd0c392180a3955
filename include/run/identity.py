"""Which import a run means: its content, and, when it is forced, the one DAG run that imports it again."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from include.config.names import SHORT_FINGERPRINT_LENGTH

_RUN_LENGTH = 8


class ImportIdentity(NamedTuple):
    """``content`` names what is imported, ``fingerprint`` the import: the same, unless a run was forced."""

    content: str
    fingerprint: str

    @property
    def forced(self) -> bool:
        """Whether the content is imported again by force."""
        return self.content != self.fingerprint

    @property
    def short(self) -> str:
        """The part of a name that says which import it is; at most 21 characters."""
        run = f"-{self.fingerprint[:_RUN_LENGTH]}" if self.forced else ""
        return f"{self.content[:SHORT_FINGERPRINT_LENGTH]}{run}"


def forced_identity(content: str, run: str) -> ImportIdentity:
    """Return the identity of the import that this DAG run makes of the content, however often it is tried.

    Args:
        content: 64 hexadecimal digits.
        run: names the DAG run among all others.
    """
    return ImportIdentity(content, hashlib.sha256(f"{content}/{run}".encode()).hexdigest())


def existing_identity(bedrock: Any, model_name: str, content: str) -> ImportIdentity:
    """Return the identity under which the content is imported already, else that of its first import.

    The first import counts most; if its model is gone, the newest that was forced.
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
