from __future__ import annotations

import pytest

from include.judging.pairs import draw_pairs
from include.judging.prompt import JudgeSettings
from include.judging.storage import judge_place
from tests.support.judging import results_of

SETTINGS = JudgeSettings("judge", "Prefer the right answer.", repetitions=2)
REPORT = "s3://bucket/evaluations/new.json"


def place(candidate: str = "new", champion: str = "old", settings: JudgeSettings = SETTINGS) -> str:
    return judge_place(REPORT, draw_pairs(results_of([candidate]), results_of([champion]), 9, 0), settings).report_uri


def test_judgements_are_kept_beside_the_evaluation_of_the_candidate() -> None:
    assert place().startswith("s3://bucket/evaluations/new.judged-")
    assert place() == place()


@pytest.mark.parametrize(
    "other",
    [
        place(candidate="newer"),
        place(champion="older"),
        place(settings=JudgeSettings("another", SETTINGS.rubric, 2)),
        place(settings=JudgeSettings("judge", "Prefer the short answer.", 2)),
        place(settings=JudgeSettings("judge", SETTINGS.rubric, 1)),
        place(settings=JudgeSettings("judge", SETTINGS.rubric, 2, 0.5)),
    ],
    ids=["candidate", "champion", "judge", "rubric", "repetitions", "temperature"],
)
def test_other_answers_another_judge_prompt_or_number_of_repetitions_is_judged_by_itself(other: str) -> None:
    assert other != place()
