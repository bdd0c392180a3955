"""Store a judge's report and judgements in S3, beside the candidate's evaluation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from include.evaluation.storage import read_body, read_model, write_lines, write_model
from include.judging.pairs import Pairs
from include.judging.prompt import JudgeSettings
from include.judging.results import Judgement, JudgeReport


class JudgePlace(NamedTuple):
    """The URI of a judge's report; the judgements are beside it."""

    report_uri: str

    @property
    def judgements_uri(self) -> str:
        """The URI of the judgements."""
        return f"{self.report_uri.removesuffix('.json')}.records.jsonl"


def judge_place(candidate_report_uri: str, pairs: Pairs, settings: JudgeSettings) -> JudgePlace:
    """Return the place: the same for the same answers, judge, prompt and number of repetitions."""
    answers = [(pair.record_id, pair.candidate, pair.champion) for pair in pairs.compared]
    identity = [answers, settings.model, settings.prompt_digest, settings.repetitions]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    return JudgePlace(f"{candidate_report_uri.removesuffix('.json')}.judged-{digest}.json")


def store_judgements(s3: Any, place: JudgePlace, report: JudgeReport, judgements: Sequence[Judgement]) -> None:
    """Write both objects, the report last, so that a report implies its judgements."""
    write_lines(s3, place.judgements_uri, judgements)
    write_model(s3, place.report_uri, report)


def read_judge_report(s3: Any, uri: str) -> JudgeReport | None:
    """Return the report at an ``s3://`` URI, or None when there is none."""
    return read_model(s3, uri, JudgeReport)


def read_judgements(s3: Any, place: JudgePlace) -> Iterator[Judgement]:
    """Yield the stored judgements; none when there are none."""
    for line in (read_body(s3, place.judgements_uri) or b"").splitlines():
        yield Judgement.model_validate_json(line)
