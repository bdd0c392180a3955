"""What a preparation found and wrote, as JSON: `data_report.json` in the prepared folder.

Nothing in it depends on the time or the machine: the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict

FORMAT = "training-data/1"


class ReportPart(BaseModel):
    """A part of the report."""

    model_config = ConfigDict(frozen=True)


class InputFile(ReportPart):
    """A data set, by its content."""

    uri: str
    sha256: str


class RecordCounts(ReportPart):
    """The rows of the data, and why some are not used; the numbers after ``rows`` add up to it.

    ``leaked_kept`` counts those among ``used`` and ``not_drawn`` that hold a question of the evaluation.
    """

    rows: int
    not_selected: int
    blank: int
    leaked_dropped: int
    exact_duplicates: int
    near_duplicates: int
    not_drawn: int
    used: int
    leaked_kept: int


class ExampleCounts(ReportPart):
    """What the used records became.

    ``too_long`` examples are left out, and ``unclear`` ones, whose answers' tokens cannot be separated from their
    questions'. ``shortened`` conversations lost their last turns; ``one_per_turn`` ones became an example for each
    answer; ``alternatives`` are the examples of further accepted answers.
    """

    alternatives: int = 0
    one_per_turn: int = 0
    shortened: int = 0
    too_long: int = 0
    unclear: int = 0


class Lengths(ReportPart):
    """Lengths of the examples in tokens, before anything was left out.

    Bin i counts those with ``edges[i] <= length < edges[i + 1]``.
    """

    limit: int
    shortest: int
    median: int
    percentile_90: int
    percentile_99: int
    longest: int
    edges: tuple[int, ...]
    counts: tuple[int, ...]


class Side(ReportPart):
    """One side of the split."""

    file: str
    digest: str
    examples: int
    tokens: int
    trained_tokens: int


class Piece(ReportPart):
    """A piece of an example as text, and whether it is trained."""

    text: str
    trained: bool


class DataReport(ReportPart):
    """The whole report."""

    format: str = FORMAT
    model_name: str
    data: InputFile
    evaluations: tuple[InputFile, ...]
    base_digest: str
    chat_template: str
    chat_template_sha256: str
    tokenizer_sha256: dict[str, str]
    settings: dict[str, Any]
    records: RecordCounts
    examples: ExampleCounts
    lengths: Lengths
    train: Side
    held_out: Side
    samples: tuple[tuple[Piece, ...], ...]

    @property
    def digest(self) -> str:
        """SHA-256 of what is trained: both files and the tokenizer."""
        parts = [self.train.digest, self.held_out.digest, sorted(self.tokenizer_sha256.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def summary(self) -> list[str]:
        """Return the report in lines for a person."""
        longest, most = self.lengths.longest, self.lengths.percentile_99
        return [
            f"{self.data.uri}: {self.records.rows:,} rows, {self.records.used:,} used",
            *(f"  {count:,} {what}" for what, count in self.left_out() if count),
            *(f"  {count:,} {what}" for what, count in self.changed() if count),
            f"train: {_side(self.train)}",
            f"held out: {_side(self.held_out)}",
            f"length: median {self.lengths.median:,}, 99 % up to {most:,}, longest {longest:,} tokens",
            f"digest: {self.digest}",
        ]

    def shown_samples(self) -> list[list[tuple[str, bool]]]:
        """Return the first examples, each as pieces of text with whether they are trained."""
        return [[(piece.text, piece.trained) for piece in sample] for sample in self.samples]

    def left_out(self) -> list[tuple[str, int]]:
        """Return what was not used, and how many there are."""
        records, examples = self.records, self.examples
        return [
            ("rows not selected", records.not_selected),
            ("rows with a blank question or answer left out", records.blank),
            ("records with a question of the evaluation left out", records.leaked_dropped),
            ("exact duplicates left out", records.exact_duplicates),
            ("near duplicates left out", records.near_duplicates),
            ("records not drawn (max_examples)", records.not_drawn),
            ("examples left out as too long", examples.too_long),
            ("examples left out as their answer's tokens are unclear", examples.unclear),
        ]

    def changed(self) -> list[tuple[str, int]]:
        """Return what is used in another form than it was read, and how many there are."""
        return [
            ("records with a question of the evaluation KEPT: scores will be too good", self.records.leaked_kept),
            ("examples more, for further accepted answers (<OR>)", self.examples.alternatives),
            ("conversations as one example for each answer", self.examples.one_per_turn),
            ("conversations without their last turns, which were too long", self.examples.shortened),
        ]


def _side(side: Side) -> str:
    share = side.trained_tokens / side.tokens
    return f"{side.examples:,} examples, {side.tokens:,} tokens, {side.trained_tokens:,} trained ({share:.0%})"
