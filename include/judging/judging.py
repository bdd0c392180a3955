"""Ask the judge about pairs of answers, in both orders and with repetitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from include.evaluation.asking import (
    DEFAULT_PATIENCE,
    Patience,
    Question,
    Reply,
    RuntimeClient,
    ask_questions,
    question_key,
)
from include.evaluation.responses import Answer
from include.judging.pairs import Pair
from include.judging.prompt import JudgeSettings
from include.judging.results import Judgement, Preferred
from include.judging.verdicts import Choice, read_verdict


class Judged(NamedTuple):
    """The judgements, how many questions had no answer of an earlier run, and the seconds that these took."""

    judgements: tuple[Judgement, ...]
    asked: int
    seconds: float


class _Turn(NamedTuple):
    pair: Pair
    candidate_first: bool
    repetition: int


def judge_pairs(
    client: RuntimeClient,
    settings: JudgeSettings,
    pairs: Sequence[Pair],
    *,
    log_path: Path,
    concurrency: int,
    known: Iterable[Judgement] = (),
    patience: Patience = DEFAULT_PATIENCE,
) -> Judged:
    """Return the judgement of each pair in each order and repetition.

    Replies are logged, paced and retried as an evaluation's answers are; a question with a reply in the log or in
    ``known`` is not asked again. A reply that is not a verdict counts as an answer without one and is not asked again.

    Raises:
        ModelUnavailableError, ModelInvocationError, NothingAnsweredError, AnswerLogLineError: see ``ask_questions``.
    """
    turns = list(_turns(pairs, settings.repetitions))
    questions = [_question(settings, turn) for turn in turns]
    keys = {question.key for question in questions}
    replied = {one.key: _reply(one) for one in known if one.status == "answered" and one.key in keys}
    replies = ask_questions(
        client,
        settings.model,
        questions,
        answers_path=log_path,
        concurrency=concurrency,
        known=replied,
        patience=patience,
    )
    judgements = tuple(
        _judgement(question.key, turn, replies.by_key[question.key])
        for turn, question in zip(turns, questions, strict=True)
    )
    return Judged(judgements, replies.asked, replies.seconds)


def _turns(pairs: Sequence[Pair], repetitions: int) -> Iterator[_Turn]:
    for pair in pairs:
        for repetition in range(repetitions):
            yield _Turn(pair, True, repetition)
            yield _Turn(pair, False, repetition)


def _question(settings: JudgeSettings, turn: _Turn) -> Question:
    request = settings.request(turn.pair, candidate_first=turn.candidate_first)
    key = question_key(settings.model, turn.pair.record_id, turn.candidate_first, turn.repetition, request)
    return Question(key, turn.pair.index, turn.pair.question, request)


def _reply(judgement: Judgement) -> Reply:
    answer = Answer(judgement.reply, judgement.stop_reason, judgement.input_tokens, judgement.output_tokens)
    return Reply("answered", answer, judgement.latency_seconds, judgement.answered_at)


_PREFERRED: Mapping[tuple[Choice, bool], Preferred] = {
    ("answer_1", True): "candidate",
    ("answer_2", True): "champion",
    ("tie", True): "tie",
    ("answer_1", False): "champion",
    ("answer_2", False): "candidate",
    ("tie", False): "tie",
}


def _judgement(key: str, turn: _Turn, reply: Reply) -> Judgement:
    answer = reply.answer
    verdict = read_verdict(answer.text) if answer else None
    return Judgement(
        key=key,
        record_id=turn.pair.record_id,
        candidate_first=turn.candidate_first,
        repetition=turn.repetition,
        status=reply.status,
        preferred=_PREFERRED[verdict.choice, turn.candidate_first] if verdict else None,
        reason=verdict.reason if verdict else "",
        reply=answer.text if answer else "",
        error=reply.error,
        stop_reason=answer.stop_reason if answer else None,
        latency_seconds=reply.latency_seconds,
        input_tokens=answer.input_tokens if answer else None,
        output_tokens=answer.output_tokens if answer else None,
        answered_at=reply.answered_at,
    )
