"""The second pass over training data: the records that are used, as tokens in two files."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np

from include.config.training import TrainingConfig
from include.training.data_report import ExampleCounts, Lengths, Piece
from include.training.encoding import Encoded, Encoder, Example
from include.training.errors import EmptySplitError, ExamplesTooLongError
from include.training.example_files import ExampleFile, ExampleWriter
from include.training.gathering import Gathered, batches
from include.training.progress import Report, StageProgress
from include.training.spool import Spool

TRAIN, HELD_OUT = "train.safetensors", "held_out.safetensors"
BATCH_RECORDS = 256
BINS = 30
SAMPLES = 3


class SplitWriter:
    """Writes both sides of the split, and counts what became of the records."""

    def __init__(self, tokenizer: Any, training: TrainingConfig, work: Path) -> None:
        self.tokenizer, self._training = tokenizer, training
        self._encoder = Encoder(tokenizer, training.data, training.max_sequence_length)
        self._writers = (ExampleWriter(work / TRAIN), ExampleWriter(work / HELD_OUT))
        self._lengths = array("i")
        self._counts: dict[str, int] = dict.fromkeys(ExampleCounts.model_fields, 0)
        self.samples: list[tuple[Piece, ...]] = []

    def write(self, spool: Spool, gathered: Gathered, report: Report) -> None:
        """Encode the used records, in their order."""
        indexes = np.flatnonzero(gathered.used).tolist()
        progress, done = StageProgress(report, "Tokenising", "records", len(indexes)), 0
        for batch in batches(indexes, BATCH_RECORDS):
            records = [(spool.read(index).alternatives(), bool(gathered.held_out[index])) for index in batch]
            self._counts["alternatives"] += sum(len(alternatives) - 1 for alternatives, _ in records)
            pieces = [(each, held_out) for alternatives, held_out in records for each in alternatives]
            for encoded, (_, held_out) in zip(self._encoder.encode([one for one, _ in pieces]), pieces, strict=True):
                self._take(encoded, self._writers[held_out])
            done += len(batch)
            progress.update(done)
        progress.finish(done)

    def _take(self, encoded: Encoded, writer: ExampleWriter) -> None:
        self._lengths.extend(encoded.lengths)
        self._counts["one_per_turn"] += encoded.one_per_turn
        self._counts["shortened"] += encoded.shortened
        self._counts["unclear"] += encoded.unclear
        self._counts["too_long"] += len(encoded.lengths) - len(encoded.examples)
        for example in encoded.examples:
            writer.add(example)
            if len(self.samples) < SAMPLES:
                self.samples.append(tuple(_pieces(self.tokenizer, example)))

    def finish(self) -> tuple[ExampleFile, ExampleFile]:
        """Put both files together.

        Raises:
            ExamplesTooLongError: every example is too long.
            EmptySplitError: one side has no example.
        """
        train, held_out = (writer.finish() for writer in self._writers)
        training, examples = self._training, train.examples + held_out.examples
        if not examples and self._lengths:
            raise ExamplesTooLongError(training.data, training.max_sequence_length, min(self._lengths))
        for side, name in ((train, "training"), (held_out, "held-out")):
            if not side.examples:
                raise EmptySplitError(training.data, name, training.held_out, examples)
        return train, held_out

    def counts(self) -> ExampleCounts:
        """Return what the records became."""
        return ExampleCounts(**self._counts)

    def lengths(self) -> Lengths:
        """Return the profile of the examples' lengths."""
        lengths = np.frombuffer(self._lengths, np.int32)
        shortest, median, most, nearly_all, longest = (
            int(value) for value in np.percentile(lengths, (0, 50, 90, 99, 100), method="higher")
        )
        width = -(-(longest + 1) // BINS)
        edges = np.arange(0, width * BINS + 1, width)
        return Lengths(
            limit=self._training.max_sequence_length,
            shortest=shortest,
            median=median,
            percentile_90=most,
            percentile_99=nearly_all,
            longest=longest,
            edges=tuple(edges.tolist()),
            counts=tuple(np.histogram(lengths, edges)[0].tolist()),
        )


def _pieces(tokenizer: Any, example: Example) -> list[Piece]:
    """Return an example as text, cut where what is trained begins and ends."""
    pieces, place = [], 0
    for start, end in example.trained:
        pieces.append(Piece(text=tokenizer.decode(example.tokens[place:start]), trained=False))
        pieces.append(Piece(text=tokenizer.decode(example.tokens[start:end]), trained=True))
        place = end
    return pieces
