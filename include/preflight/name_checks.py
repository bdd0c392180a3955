"""Check names, tokens, tags and URIs against the service's patterns."""

from __future__ import annotations

import re
from collections.abc import Mapping

from include.aws.clients import AwsClients
from include.config.model import ModelConfig
from include.preflight.asking import Check, guarded
from include.preflight.findings import Finding
from include.run.identity import forced_identity
from include.run.names import NameInvalidError, import_names
from include.run.ownership import GroupOfOthersError, ModelOwnedByOtherDagError, check_owner

#: TagKey, TagValue and TagList of botocore's bedrock model.
TAG_TEXT = re.compile(r"[a-zA-Z0-9\s._:/=+@-]*")
MAX_TAG_KEY, MAX_TAG_VALUE, MAX_TAGS = 128, 256, 50
#: Stands for the identity, which is not known before the sources were read: no other gives longer names.
_ANY_IDENTITY = forced_identity("0" * 64, "any run")


def check_names(config: ModelConfig, tags: Mapping[str, str]) -> Check[None]:
    """Yield an error for every name that Bedrock or S3 would reject."""
    account = config.account
    if account.bucket:
        try:
            import_names(config.model_name, _ANY_IDENTITY, account.bucket, account.prefix.strip("/"))
        except NameInvalidError as error:
            remedy = "Correct model_name, model_import_bucket or model_import_prefix."
            yield Finding("error", "name", error.which, f"{error.what}; expected {error.expected}", remedy)
    if len(tags) > MAX_TAGS:
        yield Finding("error", "tags", str(len(tags)), f"more than {MAX_TAGS}", "Set fewer.")
    for key, value in tags.items():
        if not (1 <= len(key) <= MAX_TAG_KEY and TAG_TEXT.fullmatch(key)):
            yield _bad_tag(key, f"the key {key!r}", MAX_TAG_KEY)
        if not (len(value) <= MAX_TAG_VALUE and TAG_TEXT.fullmatch(value)):
            yield _bad_tag(key, f"the value {value!r}", MAX_TAG_VALUE)


def check_ownership(clients: AwsClients, config: ModelConfig, tags: Mapping[str, str]) -> Check[None]:
    """Yield an error when another DAG than the run's owns the model."""
    owned = _owned(clients, config.model_name, tags.get("dag_id", ""))
    yield from guarded("owner", config.model_name, "sagemaker:ListModelPackageGroups", owned)


def _owned(clients: AwsClients, model_name: str, dag_id: str) -> Check[None]:
    yield from ()
    try:
        check_owner(clients.sagemaker, model_name, dag_id)
    except (ModelOwnedByOtherDagError, GroupOfOthersError) as error:
        yield Finding("error", "owner", model_name, f"{error.found}; expected {error.expected}", error.remedy)


def _bad_tag(key: str, part: str, longest: int) -> Finding:
    found = f"Bedrock would refuse {part}: at most {longest} letters, digits, spaces and ._:/=+@- are allowed"
    remedy = "Trigger the run with another run id." if key == "dag_run_id" else "Change it."
    return Finding("error", "tag", key, found, remedy)
