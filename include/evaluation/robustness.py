"""Semantic robustness: how much a score changes when the same questions are asked with typos, other case or blanks.

Changes and formula are those of FMEval's semantic robustness
(https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-semantic-robustness-evaluation.html), which took the changes
from NL-Augmenter. The mean absolute change of the score is FMEval's delta; ours is 1 minus it, so that higher is
better. The changes of a record depend on its content and the seed only, not on the records before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from include.evaluation.dataset import Record
from include.evaluation.further_questions import FurtherQuestions
from include.evaluation.results import RecordResult

if TYPE_CHECKING:
    import numpy as np

ROBUSTNESS = "robustness"
Change = Literal["typos", "case", "whitespace"]
#: Defaults of FMEval: the share of characters that become a typo or upper case, of blanks that are removed, and of
#: other characters that get a blank behind them.
TYPO_SHARE, UPPER_CASE_SHARE, REMOVED_BLANK_SHARE, ADDED_BLANK_SHARE = 0.1, 0.1, 0.1, 0.05
#: What is typed by mistake, by the key that was meant; the key itself is among them.
NEARBY_KEYS: Mapping[str, str] = {
    "q": "qwasedzx", "w": "wqesadrfcx", "e": "ewrsfdqazxcvgt", "r": "retdgfwsxcvgt", "t": "tryfhgedcvbnju",
    "y": "ytugjhrfvbnji", "u": "uyihkjtgbnmlo", "i": "iuojlkyhnmlp", "o": "oipklujm", "p": "plo['ik",
    "a": "aqszwxwdce", "s": "swxadrfv", "d": "decsfaqgbv", "f": "fdgrvwsxyhn", "g": "gtbfhedcyjn",
    "h": "hyngjfrvkim", "j": "jhknugtblom", "k": "kjlinyhn", "l": "lokmpujn", "z": "zaxsvde",
    "x": "xzcsdbvfrewq", "c": "cxvdfzswergb", "v": "vcfbgxdertyn", "b": "bvnghcftyun", "n": "nbmhjvgtuik",
    "m": "mnkjloik", " ": " ",
}  # fmt: skip


class Robustness(FurtherQuestions):
    """The parameters of the metric: every question is asked ``times`` more, each time with another change."""

    RESCORED: ClassVar[bool] = True

    change: Change
    score: str = "f1"
    times: Annotated[int, Field(ge=1, le=10)] = 5

    def questions(self, records: Sequence[Record], seed: int) -> list[Record]:
        """Return ``times`` changed questions in the place of each record, with its answers."""
        return [changed for record in records for changed in _changed(record, self, seed)]

    def with_scores(
        self, label: str, results: Sequence[RecordResult], further: Sequence[RecordResult]
    ) -> tuple[RecordResult, ...]:
        """Return the results with the score ``label`` added; see ``FurtherQuestions``."""
        scores = [result.scores[self.score] for result in further]
        parts = [scores[start : start + self.times] for start in range(0, len(scores), self.times)]
        values = (
            robustness(result.scores[self.score], part) if result.status == "answered" else 0.0
            for result, part in zip(results, parts, strict=True)
        )
        return tuple(result.with_scores({label: value}) for result, value in zip(results, values, strict=True))


def with_typos(text: str, generator: np.random.Generator) -> str:
    """Return the text in which some letters are replaced by those of nearby keys."""
    typed = []
    for letter in text:
        lower = letter.lower()
        new = lower
        if lower in NEARBY_KEYS and generator.random() <= TYPO_SHARE:
            new = str(generator.choice(list(NEARBY_KEYS[lower])))
        typed.append(new if lower == letter else new.upper())
    return "".join(typed)


def with_upper_case(text: str, generator: np.random.Generator) -> str:
    """Return the text in which some characters are in upper case."""
    places = set(generator.choice(range(len(text)), int(len(text) * UPPER_CASE_SHARE), replace=False).tolist())
    return "".join(letter.upper() if place in places else letter for place, letter in enumerate(text))


def with_other_blanks(text: str, generator: np.random.Generator) -> str:
    """Return the text in which some blanks are missing, and some characters have one behind them."""

    def changed(character: str) -> str:
        chance = generator.random()
        if character.isspace():
            return "" if chance < REMOVED_BLANK_SHARE else character
        return f"{character} " if chance < ADDED_BLANK_SHARE else character

    return "".join(map(changed, text))


CHANGES: Mapping[Change, Callable[[str, np.random.Generator], str]] = {
    "typos": with_typos,
    "case": with_upper_case,
    "whitespace": with_other_blanks,
}


def _changed(record: Record, metric: Robustness, seed: int) -> list[Record]:
    import numpy as np

    generator = np.random.default_rng([seed, int(record.digest[:16], 16)])
    change = CHANGES[metric.change]
    # A question of one or two characters may lose all of them; that would be no question.
    texts = [change(record.question, generator) for _ in range(metric.times)]
    return [replace(record, question=text if text.strip() else record.question) for text in texts]


def robustness(score: float, changed_scores: Sequence[float]) -> float:
    """Return 1 minus the mean absolute difference between a score and those of the changed questions."""
    return 1.0 - fmean(abs(score - changed) for changed in changed_scores)
