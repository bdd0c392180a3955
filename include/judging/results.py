"""Results of a judge: one per question to it, and a report over all records."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from include.evaluation.results import Estimate, Status

Preferred = Literal["candidate", "champion", "tie"]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Judgement(_Block):
    """The judge's reply to one question: a line of the judgements file.

    ``preferred`` is None when there was no reply or no verdict in it. ``key`` identifies judge, request and repetition.
    """

    key: str
    record_id: str
    candidate_first: bool
    repetition: int
    status: Status
    preferred: Preferred | None = None
    reason: str = ""
    reply: str = ""
    error: str = ""
    stop_reason: str | None = None
    latency_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    answered_at: datetime | None = None


class JudgeReport(_Block):
    """How the candidate's answers compare with the champion's in the eyes of the judge.

    ``records`` were compared: ``alike`` have the same answer from both models and count as ties without a question,
    ``without_verdict`` had no readable verdict in one of the two orders and are left out of the estimates.
    ``left_out`` were unanswered by a model and were not compared.

    A record is won when the candidate's answer is preferred in both orders, lost when the champion's is, and else a
    tie. ``wins``, ``losses`` and ``ties`` are shares of the records with a verdict, ``preference`` is wins less losses.
    ``position_bias`` is between -1 (the second answer is always preferred) and 1 (the first). ``order_agreement`` is
    the share of records with the same verdict in both orders, ``repetition_agreement`` that of questions whose
    repetitions all have the same one. What nothing shows is None.
    """

    schema_version: Literal[1] = 1
    judge: str
    prompt_digest: str
    repetitions: int
    temperature: float | None
    suite: str
    candidate_report_uri: str
    champion_report_uri: str
    judgements_uri: str
    records: int
    alike: int
    without_verdict: int
    left_out: int
    questions: int
    unreadable: int
    failed: int
    wins: Estimate | None = None
    losses: Estimate | None = None
    ties: Estimate | None = None
    preference: Estimate | None = None
    position_bias: Estimate | None = None
    order_agreement: float | None = None
    repetition_agreement: float | None = None
    input_tokens: int
    output_tokens: int
    cost_summary: str
    seconds: float

    @property
    def prefers(self) -> Preferred | None:
        """Whose answers the judge prefers, beyond chance; ``tie`` when these records do not show it."""
        if self.preference is None:
            return None
        if self.preference.low > 0:
            return "candidate"
        return "champion" if self.preference.high < 0 else "tie"

    @property
    def favoured_place(self) -> Literal["first", "second"] | None:
        """The place that the judge favours beyond chance, whichever answer stands there."""
        bias = self.position_bias
        if bias is None or bias.low <= 0 <= bias.high:
            return None
        return "first" if bias.low > 0 else "second"

    @property
    def is_usable(self) -> bool:
        """Whether at least half of the records about which the judge was asked got a verdict in both orders."""
        return 2 * self.without_verdict <= self.records - self.alike and self.preference is not None
