"""Results of a run's steps. They are passed between tasks through XCom as small, plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, computed_field

from include.config.suites import MAIN, SuiteEffect
from include.evaluation.answer_marks import AnswerMark, count_marks
from include.evaluation.results import EvaluationReport
from include.promotion.decision import PassedOver, PromotionDecision
from include.registry.versions import ApprovalStatus
from include.steps.evaluation_job_results import EvaluationJobResult

#: The XCom in which a task that failed for good leaves its FailureResult.
FAILURE = "failure"
_CONFIG = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class _Result(BaseModel):
    model_config = _CONFIG


class PreparedResult(_Result):
    """The prepared base model; ``changed`` says whether it was converted or normalised."""

    changed: bool
    bytes: int
    notes: tuple[str, ...] = ()


class MergeResult(_Result):
    """The merged checkpoint; ``proof`` is the proof of the merge without its part on single tensors."""

    bytes: int
    proof: Mapping[str, Any]
    notes: tuple[str, ...] = ()


class UnchangedResult(_Result):
    """The champion that an unchanged run found, with nothing left to do; ``scores`` are those of the main suite."""

    version: int
    status: ApprovalStatus
    s3_uri: str
    job_arn: str
    imported_model_arn: str
    report_html_uri: str
    scores: Mapping[str, float]


class NeededResult(_Result):
    """Whether the import is needed, and why or why not; ``unchanged`` is what it found where it is not."""

    needed: bool
    reason: str
    unchanged: UnchangedResult | None = None


class DeliveryResult(_Result):
    """The location of the checkpoint and what was sent; all zero if it was delivered before."""

    s3_uri: str
    files: int = 0
    bytes_sent: int = 0
    bytes_copied: int = 0
    bytes_reused: int = 0
    seconds: float = 0.0


class StartedImportResult(_Result):
    """What BedrockCreateModelImportJobOperator returns; ``adopted`` is an import that an earlier run started."""

    job_arn: str
    job_name: str
    imported_model_name: str
    adopted: bool


class ImportResult(_Result):
    """What BedrockModelImportJobCompletedSensor returns; ``seconds`` is the duration of the job."""

    imported_model_arn: str
    imported_model_name: str
    job_arn: str
    seconds: float | None = None


class WarmUpResult(_Result):
    """What BedrockImportedModelReadySensor returns: seconds to the first answer, and how the model can be asked."""

    cold_start_seconds: float | None = None
    answer: str | None = None
    body_format: str | None = None
    converse: bool = False


class EvaluationResult(EvaluationReport):
    """The report at ``report_uri`` of a suite's evaluation, as small JSON; ``others`` are those of the other suites."""

    model_config = _CONFIG

    report_uri: str
    suite: str = MAIN
    others: tuple[EvaluationResult, ...] = ()

    @property
    def other_uris(self) -> dict[str, str]:
        """The URIs of the other suites' reports, by the name of the suite."""
        return {other.suite: other.report_uri for other in self.others}

    @computed_field  # type: ignore[prop-decorator]  # mypy does not know decorators of properties
    @property
    def scores(self) -> dict[str, float]:
        """The value of each metric between 0 and 1."""
        return super().scores

    @computed_field  # type: ignore[prop-decorator]
    @property
    def body_format(self) -> str:
        """The body format of the requests."""
        return self.prompt.body_format

    @classmethod
    def of(cls, report: EvaluationReport, report_uri: str, suite: str = MAIN) -> EvaluationResult:
        """Return the result of the report stored at ``report_uri``."""
        return cls.model_validate({**report.summary(), "report_uri": report_uri, "suite": suite})


class ChampionResult(_Result):
    """The champion and the report of its answers to the candidate's questions.

    ``champion`` is the version number, None without a champion. ``report_uri`` is empty when there is nothing to
    compare with; ``summary`` says why. ``other_uris`` are the same for the suites after the main one, by their names.
    ``passed_over`` are newer approved versions that are not the champion.
    """

    champion: int | None
    summary: str
    fingerprint: str = ""
    landed_at: AwareDatetime | None = None
    report_uri: str = ""
    other_uris: Mapping[str, str] = {}
    passed_over: PassedOver = PassedOver()


class JudgedSuite(_Result):
    """Where the judge's report on a suite is."""

    suite: str
    report_uri: str


class JudgeResult(_Result):
    """The judge's reports, one per suite; none when there was nothing to judge, and ``summary`` says why.

    ``problem`` says why a judge that only informs did not judge all of them.
    """

    summary: str
    suites: tuple[JudgedSuite, ...] = ()
    problem: str = ""


class SuiteReports(_Result):
    """The reports of a suite after the main one; ``champion_report_uri`` is empty when there was no comparison.

    ``champion_scores`` are the champion's by metric, as in DecisionResult.
    """

    suite: str
    effect: SuiteEffect
    report_uri: str
    champion_report_uri: str = ""
    champion_scores: Mapping[str, float] = {}


class DecisionResult(PromotionDecision):
    """A decision and the champion it was made against.

    ``champion`` is that version's number. ``champion_report_uri`` is the report of its answers, ``comparison_uri``
    the stored comparison with them, and ``champion_scores`` are its scores by metric; all are empty when there was no
    comparison. ``suites`` are those after the main one; ``judged`` are those whose answers a judge compared.
    ``evaluation_job`` is what Bedrock's evaluation job gave.
    """

    champion: int | None
    champion_report_uri: str = ""
    champion_scores: Mapping[str, float] = {}
    comparison_uri: str = ""
    suites: tuple[SuiteReports, ...] = ()
    judged: tuple[JudgedSuite, ...] = ()
    evaluation_job: EvaluationJobResult = EvaluationJobResult()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reasons(self) -> tuple[str, ...]:
        """The findings that led to the status."""
        return super().reasons


class VersionResult(_Result):
    """A version in the registry, and the champion's number after this run.

    ``promoted`` says whether this run made the version the champion.
    """

    version: int
    arn: str
    status: ApprovalStatus
    imported_model_arn: str
    champion: int | None
    promoted: bool


class RegistrationResult(VersionResult):
    """The version as it was registered; ``decided_again`` is the decision made against a champion that had changed."""

    architecture: str = ""
    custom_model_units: str = ""
    cost: str
    report_uri: str
    converse: bool = False
    decided_again: DecisionResult | None = None


class Answer(_Result):
    """The answer to an approval request; ``by`` is empty if the deadline passed. ``marks`` are of single answers."""

    approved: bool
    by: str
    at: AwareDatetime
    comment: str = ""
    marks: tuple[AnswerMark, ...] = ()

    @property
    def reason(self) -> str:
        """The answer as a sentence."""
        done = "approved" if self.approved else "rejected"
        when = self.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        if not self.by:
            return f"there was no answer before the deadline, {when}: {done}"
        parts = (f"{done} by {self.by}", when, count_marks(self.marks))
        return ", ".join(filter(None, parts)) + (f": {self.comment}" if self.comment else "")


class AnswerResult(VersionResult):
    """The version after the answer; ``reason`` is the answer as a sentence."""

    reason: str


class ReportResult(_Result):
    """The S3 URI of the HTML report, and its size."""

    report_html_uri: str
    bytes: int


class PromotionResult(_Result):
    """A new champion; also the extra of its asset event."""

    model_name: str
    version: int
    imported_model_arn: str
    fingerprint: str


class PublicationResult(_Result):
    """Where applications are pointed to; ``changed`` says whether this task wrote it. No version: no champion.

    Until ``canary_until``, this version gets a share of the calls only.
    """

    parameter: str
    version: int | None = None
    imported_model_arn: str = ""
    changed: bool = False
    canary_until: AwareDatetime | None = None


class CanaryResult(_Result):
    """The outcome of a canary: ``finished`` says whether all applications are pointed to the version now.

    Otherwise it still runs until it is judged again at ``next_look``, or another champion has ended it.
    """

    version: int
    calls: str = ""
    finished: bool = False
    next_look: AwareDatetime | None = None


class FailureResult(_Result):
    """Why a task failed for good, as text of several lines, and the next step; ``model_name`` is the run's model."""

    model_name: str = ""
    reason: str
    next_step: str


class Slots(_Result):
    """The account's quota of imported models, how many are free, and the names of those imported."""

    quota: int
    free: int
    imported: tuple[str, ...]


class MetricsResult(_Result):
    """The values put into CloudWatch by metric, and the use of the quota."""

    metrics: Mapping[str, float]
    slots: Slots
