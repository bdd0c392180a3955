"""Decide whether a measured model may replace the champion: data in, status and reasons out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from include.config.evaluation import Metric
from include.config.model import ModelConfig
from include.evaluation.comparison import Comparison, PairedDifference
from include.evaluation.results import Estimate, EvaluationReport
from include.promotion.sample_size import records_note
from include.registry.versions import ApprovalStatus, ModelVersion

DEFAULT_METRIC: Metric = "f1"
EVERY_CATEGORY = "*"
#: A category of fewer records says too little to stand in a promotion's way; it is only shown.
LEAST_CATEGORY_RECORDS = 5
#: Scores are sums of floats; a smaller difference is none.
ROUNDING = 1e-9

Effect = Literal["supports", "asks", "refuses"]
_Findings = Iterator["Finding"]
#: The effect of what was decided before.
_EFFECTS: Mapping[ApprovalStatus, Effect] = {
    "Approved": "supports",
    "Rejected": "refuses",
    "PendingManualApproval": "asks",
}


class Finding(BaseModel):
    """One reason, and whether it supports a promotion, asks for a person's judgement, or refuses."""

    model_config = ConfigDict(frozen=True)

    effect: Effect
    reason: str


class PromotionDecision(BaseModel):
    """The approval status a version gets, and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: ApprovalStatus
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The findings that led to the status: all of them when the model is approved."""
        wanted: Mapping[ApprovalStatus, Effect] = {"Rejected": "refuses", "PendingManualApproval": "asks"}
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
    """Return the metrics that are compared with the champion's: those with a threshold, F1 when none has one."""
    return tuple(config.evaluation.thresholds) or (DEFAULT_METRIC,)


def decide_promotion(
    config: ModelConfig,
    fingerprint: str,
    report: EvaluationReport,
    champion: ChampionMeasured | None,
    earlier: ModelVersion | None = None,
    landed_at: datetime | None = None,
    passed_over: PassedOver = NOTHING_PASSED_OVER,
) -> PromotionDecision:
    """Return the approval status for a measured candidate, with the reasons.

    - Below a threshold, shown to be worse than the champion by more than the margin, or made of an older fine-tune than
      the champion: rejected, whatever ``promotion`` says.
    - What the data leaves unclear, a champion that cannot be asked or whose model is gone, and a model that has neither
      a threshold nor a champion, are left to a person, also under ``auto``.
    - What a person has decided about this content, in a run or in the registry, stays; only a person changes it.

    Args:
        config: thresholds, margins and ``promotion``.
        fingerprint: of the candidate's content.
        report: what was measured of the candidate.
        champion: the champion and the comparison with it, if there is one.
        earlier: the version of the same content, if it was registered before.
        landed_at: when the fine-tune landed of which the candidate was made, where that is known.
        passed_over: what is newer than the champion, and not it.
    """
    if champion and champion.fingerprint == fingerprint:
        return _settled("Approved", "supports", f"it is the champion already, version {champion.number}")
    if earlier and earlier.changed_by_others:
        reason = f"version {earlier.number} was changed to {earlier.status} in the registry itself: that stays"
        return _settled(earlier.status, _EFFECTS[earlier.status], reason)
    if earlier and earlier.decided_by:
        return _settled(earlier.status, _EFFECTS[earlier.status], f"{earlier.decided_by} has decided: {earlier.status}")
    thresholds = (*_against_thresholds(config, report), *_against_category_thresholds(config, report))
    findings = (
        *thresholds,
        *(_against_champion(config, champion) if champion else _without_champion(thresholds)),
        *_passed_over(passed_over),
        *_against_newer_fine_tune(champion, landed_at),
        *_against_setting(config),
    )
    return PromotionDecision(status=_status(findings), findings=findings)


def _settled(status: ApprovalStatus, effect: Effect, reason: str) -> PromotionDecision:
    return PromotionDecision(status=status, findings=(Finding(effect=effect, reason=reason),))


def _status(findings: tuple[Finding, ...]) -> ApprovalStatus:
    effects = {finding.effect for finding in findings}
    if "refuses" in effects:
        return "Rejected"
    return "PendingManualApproval" if "asks" in effects else "Approved"


def _against_setting(config: ModelConfig) -> _Findings:
    if config.promotion == "never":
        yield Finding(effect="refuses", reason="promotion is set to never")
    if config.promotion == "manual":
        yield Finding(effect="asks", reason="promotion is set to manual")


def _against_thresholds(config: ModelConfig, report: EvaluationReport) -> _Findings:
    for metric, least in config.evaluation.thresholds.items():
        yield _reached(metric, report.metrics[metric], least)


def _against_category_thresholds(config: ModelConfig, report: EvaluationReport) -> _Findings:
    thresholds = config.evaluation.category_thresholds
    categories = {part.category: part for part in report.categories}
    for name in sorted(thresholds.keys() - categories.keys() - {EVERY_CATEGORY}):
        yield Finding(effect="refuses", reason=f"category {name!r} has a threshold but no record")
    for name, part in categories.items():
        least_by_metric = {**thresholds.get(EVERY_CATEGORY, {}), **thresholds.get(name, {})}
        for metric, least in least_by_metric.items():
            yield _reached(f"{metric} in category {name!r}", part.metrics[metric], least)


def _reached(what: str, found: Estimate, least: float) -> Finding:
    if found.value < least - ROUNDING:
        return Finding(effect="refuses", reason=f"{what} {found.value:.3f} is below the threshold {least:.3f}")
    return Finding(effect="supports", reason=f"{what} {found.value:.3f} reaches {least:.3f}")


def _without_champion(thresholds: tuple[Finding, ...]) -> _Findings:
    if thresholds:
        yield Finding(effect="supports", reason="there is no champion yet")
    else:
        reason = "nothing judges the answers: there is no champion yet, and the model has no thresholds"
        yield Finding(effect="asks", reason=reason)


def _passed_over(passed_over: PassedOver) -> _Findings:
    for number in passed_over.gone:
        reason = f"the imported model of version {number} is gone: it was passed over as the champion"
        yield Finding(effect="asks", reason=reason)
    for number in passed_over.foreign:
        reason = f"version {number} names no imported model: it was passed over as the champion"
        yield Finding(effect="supports", reason=reason)


def _against_champion(config: ModelConfig, champion: ChampionMeasured) -> _Findings:
    if champion.comparison is None:
        why = f"champion version {champion.number} could not be asked the same questions: {champion.why_not}"
        yield Finding(effect="asks", reason=why)
    else:
        if champion.unanswered:
            reason = f"champion version {champion.number} left {champion.unanswered} of the questions unanswered"
            yield Finding(effect="asks", reason=reason)
        for metric, difference in champion.comparison.overall.items():
            yield _overall(metric, difference, champion.number)
        for category, differences in champion.comparison.categories.items():
            yield from _in_category(category, differences, config.comparison.category_margin)


def _against_newer_fine_tune(champion: ChampionMeasured | None, landed_at: datetime | None) -> _Findings:
    if champion and champion.landed_at and landed_at and champion.landed_at > landed_at:
        reason = f"the champion, version {champion.number}, was made of a newer fine-tune"
        yield Finding(effect="refuses", reason=reason)


def _overall(metric: str, difference: PairedDifference, number: int) -> Finding:
    seen = f"{metric} differs from champion version {number} by {_figures(difference)}"
    margin = f"the margin of {difference.margin:.3f}"
    cannot_tell = f"{difference.records} records cannot tell whether that is worse beyond {margin}"
    effects: Mapping[str, tuple[Effect, str]] = {
        "not_worse": ("supports", f"not worse beyond {margin}"),
        "worse": ("refuses", f"worse beyond {margin}"),
        "unclear": ("asks", f"{cannot_tell}; {records_note(difference)}"),
    }
    effect, meaning = effects[difference.verdict]
    return Finding(effect=effect, reason=f"{seen}: {meaning}")


def _in_category(category: str, differences: Mapping[str, PairedDifference], margin: float) -> _Findings:
    """A category refuses when it is shown to be worse; it asks when it looks worse but too few records say so."""
    for metric, difference in differences.items():
        within = difference.model_copy(update={"margin": margin})
        if within.value >= -margin or difference.records < LEAST_CATEGORY_RECORDS:
            continue
        effect: Effect = "refuses" if within.verdict == "worse" else "asks"
        seen = f"{metric} in category {category!r} differs from the champion by {_figures(difference)}"
        yield Finding(effect=effect, reason=f"{seen}, beyond the category margin of {margin:.3f}")


def _figures(difference: PairedDifference) -> str:
    return f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
