"""Decide whether a measured model may replace the champion: data in, status and reasons out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from include.config.evaluation import Metric
from include.config.model import ModelConfig
from include.evaluation.comparison import Comparison
from include.evaluation.results import EvaluationReport
from include.judging.results import JudgeReport
from include.promotion.findings import Effect, Finding, Findings
from include.promotion.judge_findings import judge_findings
from include.promotion.many_looks import Look, shown_worse
from include.promotion.suite_findings import Standards, SuiteMeasured, champion_findings, threshold_findings
from include.registry.versions import ApprovalStatus, ModelVersion

#: The effect of what was decided before.
_EFFECTS: Mapping[ApprovalStatus, Effect] = {
    "Approved": "passes",
    "Rejected": "blocks",
    "PendingManualApproval": "asks",
}


class PromotionDecision(BaseModel):
    """The approval status a version gets, and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: ApprovalStatus
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The findings that led to the status: all of them when the model is approved."""
        wanted: Mapping[ApprovalStatus, Effect] = {"Rejected": "blocks", "PendingManualApproval": "asks"}
        effect = wanted.get(self.status)
        return tuple(finding.reason for finding in self.findings if effect in (None, finding.effect))


class ChampionMeasured(BaseModel):
    """The champion, and its answers to the candidate's questions compared with the candidate's.

    ``comparison`` is None when the champion could not be asked; ``why_not`` says why. Records that it left
    ``unanswered`` score 0 in the comparison.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    fingerprint: str
    landed_at: datetime | None = None
    comparison: Comparison | None = None
    unanswered: int = 0
    why_not: str = ""


class PassedOver(BaseModel):
    """The approved versions, newer than the champion, that are not it.

    ``gone``: their imported model was deleted. ``foreign``: other software registered them, without imported model.
    """

    model_config = ConfigDict(frozen=True)

    gone: tuple[int, ...] = ()
    foreign: tuple[int, ...] = ()


NOTHING_PASSED_OVER = PassedOver()


def compared_metrics(config: ModelConfig) -> tuple[Metric, ...]:
    """Return the metrics of the main suite that are compared with the champion's."""
    return config.suites[0].compared_metrics


def decide_promotion(
    config: ModelConfig,
    fingerprint: str,
    report: EvaluationReport,
    champion: ChampionMeasured | None,
    earlier: ModelVersion | None = None,
    landed_at: datetime | None = None,
    passed_over: PassedOver = NOTHING_PASSED_OVER,
    others: Sequence[SuiteMeasured] = (),
    judged: Sequence[JudgeReport] = (),
    notes: Sequence[str] = (),
) -> PromotionDecision:
    """Return the approval status for a measured candidate, with the reasons.

    - Below a threshold, shown to be worse than the champion by more than the margin, or made of an older fine-tune than
      the champion: rejected, whatever ``promotion`` says.
    - What the data leaves unclear, a champion that cannot be asked or whose model is gone, and a model that has neither
      a threshold nor a champion, are left to a person, also under ``auto``.
    - What a judge prefers never promotes or rejects; where its effect is ``asks``, a person decides.
    - What a person has decided about this content, in a run or in the registry, stays; only a person changes it.

    Args:
        config: thresholds, margins and ``promotion``.
        fingerprint: of the candidate's content.
        report: what was measured of the candidate in the main suite.
        champion: the champion and the comparison with it in the main suite, if there is one.
        earlier: the version of the same content, if it was registered before.
        landed_at: when the fine-tune landed of which the candidate was made, where that is known.
        passed_over: what is newer than the champion, and not it.
        others: the suites of the evaluation after the main one.
        judged: what the judge says about the answers of champion and candidate, if there is one.
        notes: what is shown beside the findings and decides nothing.
    """
    if champion and champion.fingerprint == fingerprint:
        return _settled("Approved", "passes", f"it is the champion already, version {champion.number}")
    if earlier and earlier.changed_by_others:
        reason = f"version {earlier.number} was changed to {earlier.status} in the registry itself: that stays"
        return _settled(earlier.status, _EFFECTS[earlier.status], reason)
    if earlier and earlier.decided_by:
        return _settled(earlier.status, _EFFECTS[earlier.status], f"{earlier.decided_by} has decided: {earlier.status}")
    suites = (_main_suite(config, report, champion), *others)
    thresholds = tuple(finding for measured in suites for finding in threshold_findings(measured))
    findings = (
        *thresholds,
        *(_against_champion(champion, suites) if champion else _without_champion(thresholds)),
        *_judged(config, judged, champion),
        *(Finding(effect="informs", reason=note) for note in notes),
        *_passed_over(passed_over),
        *_against_newer_fine_tune(champion, landed_at),
        *_against_setting(config),
    )
    return PromotionDecision(status=_status(findings), findings=findings)


def _main_suite(config: ModelConfig, report: EvaluationReport, champion: ChampionMeasured | None) -> SuiteMeasured:
    suite = config.suites[0]
    if champion is None:
        return SuiteMeasured(suite=suite, report=report)
    return SuiteMeasured(
        suite=suite,
        report=report,
        comparison=champion.comparison,
        unanswered=champion.unanswered,
        why_not=champion.why_not,
    )


def _settled(status: ApprovalStatus, effect: Effect, reason: str) -> PromotionDecision:
    return PromotionDecision(status=status, findings=(Finding(effect=effect, reason=reason),))


def _status(findings: tuple[Finding, ...]) -> ApprovalStatus:
    effects = {finding.effect for finding in findings}
    if "blocks" in effects:
        return "Rejected"
    return "PendingManualApproval" if "asks" in effects else "Approved"


def _against_setting(config: ModelConfig) -> Findings:
    if config.promotion == "never":
        yield Finding(effect="blocks", reason="promotion is set to never")
    if config.promotion == "manual":
        yield Finding(effect="asks", reason="promotion is set to manual")


def _without_champion(thresholds: tuple[Finding, ...]) -> Findings:
    if any(finding.effect != "informs" for finding in thresholds):
        yield Finding(effect="passes", reason="there is no champion yet")
    else:
        reason = "nothing judges the answers: there is no champion yet, and the model has no thresholds"
        yield Finding(effect="asks", reason=reason)


def _judged(config: ModelConfig, judged: Sequence[JudgeReport], champion: ChampionMeasured | None) -> Findings:
    if config.judge and champion:
        yield from judge_findings(config.judge, judged, champion.number)


def _passed_over(passed_over: PassedOver) -> Findings:
    for number in passed_over.gone:
        reason = f"the imported model of version {number} is gone: it was passed over as the champion"
        yield Finding(effect="asks", reason=reason)
    for number in passed_over.foreign:
        reason = f"version {number} names no imported model: it was passed over as the champion"
        yield Finding(effect="passes", reason=reason)


def _against_champion(champion: ChampionMeasured, suites: Sequence[SuiteMeasured]) -> Findings:
    """Yield the findings of each suite. The suites that only inform are judged on their own: they refuse nothing."""
    compared = [(each.suite, each.comparison) for each in suites if each.comparison]
    informing = [{suite.name: comparison} for suite, comparison in compared if suite.effect == "informs"]
    effective = {suite.name: comparison for suite, comparison in compared if suite.effect != "informs"}
    worse = frozenset[Look]().union(*map(shown_worse, (effective, *informing)))
    for measured in suites:
        yield from champion_findings(measured, Standards(champion.number, worse))


def _against_newer_fine_tune(champion: ChampionMeasured | None, landed_at: datetime | None) -> Findings:
    if champion and champion.landed_at and landed_at and champion.landed_at > landed_at:
        reason = f"the champion, version {champion.number}, was made of a newer fine-tune"
        yield Finding(effect="blocks", reason=reason)
