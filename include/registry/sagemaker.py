"""Model versions in SageMaker Model Registry: group = model, package = version, approval status = decision."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from include.errors import ModelImportError
from include.registry.groups import GROUP_DESCRIPTION, find_group, owner_mark
from include.registry.versions import (
    RETIRED_AT,
    STATUS_SET,
    ApprovalStatus,
    Candidate,
    ModelVersion,
    champion_of,
)

log = logging.getLogger(__name__)

#: CustomerMetadataProperties of botocore's sagemaker model: letters, separators, numbers and these; at most 256 long.
_FORBIDDEN_IN_METADATA = re.compile(r"[^\w\s.:/=+\-@]", re.UNICODE)
_MAX_METADATA_LENGTH = 256
_MAX_METADATA_ENTRIES = 50
#: Ends a version's description, which ListModelPackages returns: a version is found without describing the others.
_FINGERPRINT_MARK = "; fingerprint "
_PAGE_SIZE = 100
_CUT = "..."
#: ApprovalDescription and ModelPackageDescription of botocore's sagemaker model.
_MAX_DESCRIPTION_LENGTH = 1024


class RegistryMetadataTooLargeError(ModelImportError):
    """More properties than a model package can hold."""

    def __init__(self, group: str, found: int) -> None:
        expected = f"at most {_MAX_METADATA_ENTRIES} properties"
        super().__init__("A version's metadata is too large", group, expected, str(found), "Record fewer.")


def metadata_value(value: str) -> str:
    """Return ``value`` in the registry's character set: others become ``_``; longer than 256 ends in ``...``."""
    return _cut(_FORBIDDEN_IN_METADATA.sub("_", _one_line(value)), _MAX_METADATA_LENGTH)


def _one_line(text: str) -> str:
    """Join the lines: descriptions and metadata of the registry cannot hold line breaks."""
    return " ".join(text.split())


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - len(_CUT)] + _CUT


def _nothing() -> None:
    """Do nothing."""


class SageMakerRegistry:
    """The registry behind a SageMaker client (``SageMakerHook.conn``).

    See https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry.html

    Args:
        client: a SageMaker client.
        before_write: called right before each write; what it raises prevents the write.
    """

    def __init__(self, client: Any, before_write: Callable[[], None] = _nothing) -> None:
        self._client, self.before_write = client, before_write

    def _describe(self, arn: str) -> ModelVersion:
        package = self._client.describe_model_package(ModelPackageName=arn)
        return ModelVersion(
            arn=package["ModelPackageArn"],
            number=package["ModelPackageVersion"],
            status=package["ModelApprovalStatus"],
            created_at=package["CreationTime"],
            metadata=package.get("CustomerMetadataProperties", {}),
            reason=package.get("ApprovalDescription", ""),
        )

    def _group_exists(self, group: str) -> bool:
        return find_group(self._client, group) is not None

    def versions(self, group: str, status: ApprovalStatus | None = None) -> Iterator[ModelVersion]:
        """Yield the group's versions, newest first; none when the group does not exist."""
        wanted = {"ModelApprovalStatus": status} if status else {}
        for summary in self._summaries(group, "Descending", **wanted):
            yield self._describe(summary["ModelPackageArn"])

    def oldest_first(self, group: str) -> Iterator[ModelVersion]:
        """Yield the group's versions, oldest first; none when the group does not exist."""
        for summary in self._summaries(group, "Ascending"):
            yield self._describe(summary["ModelPackageArn"])

    def _summaries(self, group: str, order: str = "Descending", **wanted: str) -> Iterator[dict[str, Any]]:
        if not self._group_exists(group):
            return
        pages = self._client.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=group,
            SortBy="CreationTime",
            SortOrder=order,
            PaginationConfig={"PageSize": _PAGE_SIZE},
            **wanted,
        )
        for page in pages:
            yield from page["ModelPackageSummaryList"]

    def champion(self, group: str) -> ModelVersion | None:
        """Return the group's champion according to the registry alone; ``find_champion`` asks Bedrock too."""
        return champion_of(self.versions(group, "Approved"))

    def find(self, group: str, fingerprint: str) -> ModelVersion | None:
        """Return the version with this content, if it was registered; one call per hundred versions, and one more."""
        candidates = (
            self._describe(summary["ModelPackageArn"])
            for summary in self._summaries(group)
            if _may_hold(summary.get("ModelPackageDescription", ""), fingerprint)
        )
        return next((version for version in candidates if version.fingerprint == fingerprint), None)

    def register(self, candidate: Candidate, check_decision: Callable[[], None] = _nothing) -> ModelVersion:
        """Return the candidate's version: the one registered for its fingerprint, else a new one.

        A version that was approved stays approved, and what a person decided stays: only a person changes it.

        Args:
            candidate: what to register.
            check_decision: called before the status is written; what it raises prevents the write.
        """
        known = self.find(candidate.group, candidate.fingerprint)
        if known is not None and _is_registered(known, candidate):
            log.info("version %s of %s is registered already as %s", known.number, candidate.group, known.status)
            return known
        if known is None and not self._group_exists(candidate.group):
            self._create_group(candidate.group, candidate.provenance.get("dag_id", ""))
        check_decision()
        if known is not None:
            return self._refresh(known, candidate)
        try:
            return self._create(candidate)
        except self._client.exceptions.ConflictException:  # another run registers the same content at this moment
            if (known := self.find(candidate.group, candidate.fingerprint)) is None:
                raise
            return self._refresh(known, candidate)

    def set_status(
        self, version: ModelVersion, status: ApprovalStatus, why: str, metadata: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """Set the version's approval status with its reason and more metadata; return the updated version."""
        log.info("version %s: %s becomes %s: %s", version.number, version.status, status, why)
        more = {key: metadata_value(value) for key, value in (metadata or {}).items() if value}
        self._update(
            version,
            ModelApprovalStatus=status,
            ApprovalDescription=_cut(_one_line(why), _MAX_DESCRIPTION_LENGTH),
            CustomerMetadataProperties={**more, STATUS_SET: status},
        )
        return self._describe(version.arn)

    def note(self, version: ModelVersion, key: str, value: str) -> None:
        """Add one property to the version's metadata."""
        self._update(version, CustomerMetadataProperties={key: metadata_value(value)})

    def _update(self, version: ModelVersion, **changes: Any) -> None:
        """Write the changes; metadata that is not given stays."""
        metadata = {**version.metadata, **changes.pop("CustomerMetadataProperties")}
        self.before_write()
        self._client.update_model_package(ModelPackageArn=version.arn, CustomerMetadataProperties=metadata, **changes)

    def _refresh(self, known: ModelVersion, candidate: Candidate) -> ModelVersion:
        kept = known.is_settled
        status = known.status if kept else candidate.status
        metadata = _checked_metadata(candidate) | ({} if kept else {STATUS_SET: status})
        log.info("version %s of %s: %s becomes %s", known.number, candidate.group, known.status, status)
        self.before_write()
        self._client.update_model_package(
            ModelPackageArn=known.arn,
            ModelApprovalStatus=status,
            CustomerMetadataProperties=metadata,
            CustomerMetadataPropertiesToRemove=[RETIRED_AT] if known.retired else [],
            **({} if kept else _approval_description(candidate)),
            **_model_card(candidate),
        )
        return self._describe(known.arn)

    def _create(self, candidate: Candidate) -> ModelVersion:
        self.before_write()
        created = self._client.create_model_package(
            ModelPackageGroupName=candidate.group,
            ModelPackageDescription=_description(candidate),
            ModelApprovalStatus=candidate.status,
            CustomerMetadataProperties=_checked_metadata(candidate) | {STATUS_SET: candidate.status},
            SourceUri=candidate.imported_model_arn,
            ModelMetrics={
                "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": candidate.report_uri}}
            },
            ClientToken=_client_token(candidate),
            **_model_card(candidate),
        )
        if description := _approval_description(candidate):  # CreateModelPackage does not take it
            self.before_write()
            self._client.update_model_package(ModelPackageArn=created["ModelPackageArn"], **description)
        version = self._describe(created["ModelPackageArn"])
        log.info("registered version %s of %s as %s", version.number, candidate.group, version.status)
        return version

    def _create_group(self, group: str, dag_id: str) -> None:
        description = GROUP_DESCRIPTION.format(group) + owner_mark(dag_id)
        try:
            self._client.create_model_package_group(
                ModelPackageGroupName=group, ModelPackageGroupDescription=description
            )
        except self._client.exceptions.ClientError:
            if not self._group_exists(group):  # otherwise another run made it a moment ago
                raise


def _is_registered(known: ModelVersion, candidate: Candidate) -> bool:
    """Return whether nothing is left to write, for example after a retry."""
    same_status = known.is_settled or known.status == candidate.status
    return same_status and not known.retired and _checked_metadata(candidate).items() <= known.metadata.items()


def _description(candidate: Candidate) -> str:
    return f"{metadata_value(candidate.description or candidate.group)}{_FINGERPRINT_MARK}{candidate.fingerprint}"


def _may_hold(description: str, fingerprint: str) -> bool:
    """Return whether a version with this description may have the fingerprint; one that names none may have any."""
    _, mark, found = description.rpartition(_FINGERPRINT_MARK)
    return not mark or found == fingerprint


def _client_token(candidate: Candidate) -> str:
    """Return a token of 32 hexadecimal digits: the same content may be registered once in every group."""
    return hashlib.sha256(f"{candidate.group}/{candidate.fingerprint}".encode()).hexdigest()[:32]


def _model_card(candidate: Candidate) -> dict[str, Any]:
    if not candidate.model_card:
        return {}
    return {"ModelCard": {"ModelCardContent": candidate.model_card, "ModelCardStatus": "Draft"}}


def _approval_description(candidate: Candidate) -> dict[str, str]:
    why = candidate.approval_description
    return {"ApprovalDescription": _cut(_one_line(why), _MAX_DESCRIPTION_LENGTH)} if why else {}


def _checked_metadata(candidate: Candidate) -> dict[str, str]:
    metadata = {key: metadata_value(value) for key, value in candidate.metadata().items() if value}
    if len(metadata) + 1 > _MAX_METADATA_ENTRIES:
        raise RegistryMetadataTooLargeError(candidate.group, len(metadata))
    return metadata
