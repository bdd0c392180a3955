"""What a registry of imported models holds: one group per model, one version per import."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

ApprovalStatus = Literal["Approved", "Rejected", "PendingManualApproval"]
_SCORE_KEY, _INTERVAL_KEY = "score.", "interval."
#: A number from 0 to 1.
_SCORE = re.compile(r"0(\.[0-9]+)?|1(\.0+)?", re.ASCII)
#: Metadata of a version whose imported model was deleted: when, in ISO 8601.
RETIRED_AT = "retired_at"
#: Metadata: the S3 URI of the version's HTML report.
REPORT_HTML_URI = "report_html_uri"
#: Metadata of a version made of a fine-tune that started its run by landing: when it landed, in ISO 8601.
LANDED_AT = "landed_at"
#: Metadata: who approved, rejected or withdrew the version, and when, in ISO 8601; only people are recorded here.
DECIDED_BY = "decided_by"
DECIDED_AT = "decided_at"
#: Metadata: the approval status that this project gave the version last. Another status is the work of a person in the
#: registry, or of other software.
STATUS_SET = "status_set"


class ModelVersion(BaseModel):
    """One registered version of a model.

    ``scores`` are means over the evaluation set, 0 to 1; ``dataset_digest`` says of which set. ``reason`` is why it has
    its status, as the registry's approval description says.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    arn: str
    number: int
    status: ApprovalStatus
    created_at: datetime
    metadata: Mapping[str, str]
    reason: str = ""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the imported content."""
        return self.metadata.get("fingerprint", "")

    @property
    def imported_model_arn(self) -> str:
        """The ARN that applications invoke."""
        return self.metadata.get("imported_model_arn", "")

    @property
    def dataset_digest(self) -> str:
        """The SHA-256 of the evaluation set the scores were measured on."""
        return self.metadata.get("dataset_digest", "")

    @property
    def retired(self) -> bool:
        """Whether the imported model was deleted."""
        return RETIRED_AT in self.metadata

    @property
    def can_be_called(self) -> bool:
        """Whether it names an imported model that this project has not deleted."""
        return bool(self.imported_model_arn) and not self.retired

    @property
    def landed_at(self) -> datetime | None:
        """When the fine-tune landed of which the version was made, where that is known."""
        landed = self.metadata.get(LANDED_AT)
        return datetime.fromisoformat(landed) if landed else None

    @property
    def report_uri(self) -> str:
        """The S3 URI of the evaluation report, JSON."""
        return self.metadata.get("report_uri", "")

    @property
    def decided_by(self) -> str:
        """Who approved or rejected the version; empty when no person did."""
        return self.metadata.get(DECIDED_BY, "")

    @property
    def status_set(self) -> str:
        """The approval status that this project gave it last; empty when that is not known."""
        return self.metadata.get(STATUS_SET, "")

    @property
    def changed_by_others(self) -> bool:
        """Whether its status was changed in the registry itself."""
        return bool(self.status_set) and self.status_set != self.status

    @property
    def is_settled(self) -> bool:
        """Whether no run changes its status: it was approved, or a person decided it, here or in the registry."""
        return self.status == "Approved" or bool(self.decided_by) or self.changed_by_others

    @property
    def is_base(self) -> bool:
        """Whether it is a base model, imported without an adapter."""
        return "base" in self.metadata and self.metadata.get("adapter", "") in ("", "none")

    @property
    def scores(self) -> dict[str, float]:
        """Mean score per metric; what others wrote there and is no score is left out."""
        return {
            key.removeprefix(_SCORE_KEY): float(value)
            for key, value in self.metadata.items()
            if key.startswith(_SCORE_KEY) and _SCORE.fullmatch(value)
        }

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Return the 95 % interval of a score, where it is recorded."""
        ends = self.metadata.get(f"{_INTERVAL_KEY}{metric}", "").split()
        if len(ends) != 2 or not all(map(_SCORE.fullmatch, ends)):
            return None
        return float(ends[0]), float(ends[1])


def champion_of(newest_first: Iterable[ModelVersion]) -> ModelVersion | None:
    """Return the champion among a group's versions: the newest approved one that names an imported model not deleted.

    Other software may register versions in the same group; they name no imported model and are passed over.
    """
    return next((known for known in newest_first if known.status == "Approved" and known.can_be_called), None)


class Candidate(BaseModel):
    """A version to be registered; ``model_card`` is JSON after SageMaker's schema."""

    model_config = ConfigDict(frozen=True)

    group: str
    description: str
    fingerprint: str
    imported_model_arn: str
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = {}
    dataset_digest: str
    report_uri: str
    status: ApprovalStatus
    provenance: Mapping[str, str]
    approval_description: str = ""
    model_card: str = ""

    def metadata(self) -> dict[str, str]:
        """Return the flat text properties under which the version is found again."""
        scores = {f"{_SCORE_KEY}{name}": f"{value:.6f}" for name, value in self.scores.items()}
        intervals = {f"{_INTERVAL_KEY}{name}": f"{low:.6f} {high:.6f}" for name, (low, high) in self.intervals.items()}
        return {
            **self.provenance,
            **scores,
            **intervals,
            "fingerprint": self.fingerprint,
            "imported_model_arn": self.imported_model_arn,
            "dataset_digest": self.dataset_digest,
            "report_uri": self.report_uri,
        }
