"""How often the intervals of an evaluation hold what is true, by simulation, beside those of a percentile bootstrap.

    python -m benchmarks.intervals [SAMPLES]

Prints the coverage of the intervals of a mean score, a paired difference and macro F1, and how often a candidate is
taken for "not worse" by the share of the champion's right answers that it breaks. Takes minutes with the default of 500
samples.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.simulated_scores import KINDS, ROUNDING, Scores, coverage, differences
from include.evaluation.bounded_mean import records_for_margin
from include.evaluation.classification import Labelled, macro_f1

SAMPLES = 500
SHARES = (0.0, 0.5, 0.95, 0.98, 0.995, 1.0)
RECORDS = (16, 60, 120, 250, 1000)
MARGIN = 0.02
RESAMPLES = 2000


def bootstrap_interval(values: Scores, generator: np.random.Generator) -> tuple[float, float]:
    """Return the middle 95 % of the means of resampled values: the interval before ADR 11."""
    drawn = values[generator.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def bootstrap_coverage(kind: str, share: float, records: int, samples: int) -> float:
    """Return how often the bootstrap's interval of the mean holds the true mean."""
    generator, true = np.random.default_rng(records), KINDS[kind].mean(share)
    found = (bootstrap_interval(KINDS[kind].draw(generator, records, share), generator) for _ in range(samples))
    return sum(low - ROUNDING <= true <= high + ROUNDING for low, high in found) / samples


def means(samples: int) -> Iterator[str]:
    """Yield the rows about mean scores: bootstrap and ours."""
    yield "| scores | right | " + " | ".join(f"{records} records" for records in RECORDS) + " |"
    yield "|---|---" + "|---" * len(RECORDS) + "|"
    for kind in KINDS:
        for share in SHARES:
            cells = (
                f"{bootstrap_coverage(kind, share, records, samples // 2):.2f} → "
                f"**{coverage(kind, share, records, samples):.3f}**"
                for records in RECORDS
            )
            yield f"| {kind} | {share} | " + " | ".join(cells) + " |"


def pairs(samples: int) -> Iterator[str]:
    """Yield the rows about paired differences: coverage, and the share that is taken for not worse."""
    yield ("| scores | broken | fixed | difference | " + " | ".join(f"{number} records" for number in RECORDS) + " |")
    yield "|---|---|---|---" + "|---" * len(RECORDS) + "|"
    for kind in KINDS:
        for broken, fixed in ((0.0, 0.0), (0.005, 0.005), (0.042, 0.0), (0.042, 0.042), (0.1, 0.1), (0.2, 0.0)):
            cells, true = [], 0.0
            for records in RECORDS:
                held = promoted = 0
                for found, difference in differences(kind, broken, fixed, records, samples, MARGIN):
                    held += found.low - ROUNDING <= difference <= found.high + ROUNDING
                    promoted += found.verdict == "not_worse"
                    true = difference
                cells.append(f"**{held / samples:.3f}**, {promoted / samples:.3f}")
            yield f"| {kind} | {broken} | {fixed} | {true:+.3f} | " + " | ".join(cells) + " |"


def macro(samples: int) -> Iterator[str]:
    """Yield the rows about macro F1 of labels that are equally frequent and equally often confused: coverage."""
    yield "| labels | right | " + " | ".join(f"{records} records" for records in RECORDS) + " |"
    yield "|---|---" + "|---" * len(RECORDS) + "|"
    for labels in (2, 4, 10):
        for share in (0.5, 0.8, 0.95, 1.0):
            wrong = (1 - share) / (labels - 1)
            chances = (np.full((labels, labels), wrong) + np.eye(labels) * (share - wrong)).ravel() / labels
            cells = []
            for records in RECORDS:
                generator = np.random.default_rng(records)
                drawn = generator.choice(labels * labels, size=(samples, records), p=chances)
                pairs = ([Labelled(str(one // labels), str(one % labels)) for one in row] for row in drawn)
                found = [macro_f1(row, seed) for seed, row in enumerate(pairs)]
                held = sum(one.low - ROUNDING <= share <= one.high + ROUNDING for one in found)
                cells.append(f"**{held / samples:.3f}**")
            yield f"| {labels} | {share} | " + " | ".join(cells) + " |"


def needed() -> Iterator[str]:
    """Yield how many records a margin needs, by the share of records whose answers are right with one model only."""
    shares = (0.0, 0.02, 0.05, 0.1, 0.2)
    yield "| margin | " + " | ".join(f"{share:.0%} changed" for share in shares) + " |"
    yield "|---" * (len(shares) + 1) + "|"
    for margin in (0.01, 0.02, 0.03, 0.05, 0.1):
        yield f"| {margin} | " + " | ".join(f"{records_for_margin(margin, share):,}" for share in shares) + " |"


def main() -> None:
    """Print the tables."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    for rows in (needed(), macro(samples), means(samples), pairs(samples)):
        for row in rows:
            print(row, flush=True)
        print(flush=True)


if __name__ == "__main__":
    main()
