"""Convert outcomes into scored record results, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from include.evaluation.dataset import Record, record_ids
from include.evaluation.invocation import Outcome
from include.evaluation.metrics import Observation, score_record
from include.evaluation.responses import GUARDRAIL_INTERVENED, Answer
from include.evaluation.results import RecordResult


def score_outcomes(outcomes: Sequence[Outcome], *, guarded: bool = False) -> Iterator[RecordResult]:
    """Yield the result of each record, in the same order; ``guarded`` is whether a guardrail was in use."""
    for outcome, record_id in zip(outcomes, record_ids([one.record for one in outcomes]), strict=True):
        record, answer = outcome.record, outcome.answer
        yield RecordResult(
            record_id=record_id,
            index=record.index,
            question=record.question,
            accepted_answers=record.accepted_answers,
            category=record.category,
            status=outcome.status,
            answer=answer.text if answer else "",
            scores=score_record(
                Observation(
                    record.accepted_answers,
                    answer.text if answer else None,
                    intervened=_intervened(answer) if guarded else None,
                )
            ),
            logprobs=answer.logprobs if answer else None,
            stop_reason=answer.stop_reason if answer else None,
            error=outcome.error,
            latency_seconds=outcome.latency_seconds,
            input_tokens=answer.input_tokens if answer else None,
            output_tokens=answer.output_tokens if answer else None,
            answered_at=outcome.answered_at,
        )


def _intervened(answer: Answer | None) -> bool:
    return answer is not None and answer.stop_reason == GUARDRAIL_INTERVENED


def outcomes_of(results: Iterable[RecordResult], records: Sequence[Record]) -> Iterator[Outcome]:
    """Yield the outcome of each of ``records`` that was answered according to ``results`` of an earlier evaluation."""
    by_id = dict(zip(record_ids(records), records, strict=True))
    for result in results:
        if result.status == "answered" and result.record_id in by_id:
            yield Outcome(
                by_id[result.record_id],
                "answered",
                Answer(result.answer, result.stop_reason, result.input_tokens, result.output_tokens, result.logprobs),
                result.latency_seconds,
                result.answered_at,
            )
