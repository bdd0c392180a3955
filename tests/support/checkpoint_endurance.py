"""Damaged inputs by the thousand, and runs killed at random moments; the test suite runs a small part of each.

python -m tests.support.checkpoint_endurance fuzz --count 100000
python -m tests.support.checkpoint_endurance kill --count 50
"""

from __future__ import annotations

import argparse
import logging
import random
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from include.checkpoint.checks.transformers_process import TRANSFORMERS_PROCESS, ask_transformers
from include.errors import ModelImportError
from tests.support.checkpoint_kills import kill_at_random
from tests.support.fuzz_inputs import FuzzCase, fuzz_cases
from tests.support.mutants import mutate

log = logging.getLogger(__name__)
# Of processor time, so that other work on the machine does not look like a hang; waiting has a bound of its own.
HANG_SECONDS = 5.0
WAIT_SECONDS = 60.0
MEMORY_MB = 500.0


class Hang(BaseException):
    """A mutant kept the processor busy, or waited, for too long; no ``except Exception`` stops it."""


@dataclass
class FuzzResult:
    """What the mutants led to: named errors and reports by their first defect; times are of the processor."""

    named_errors: Counter[str] = field(default_factory=Counter)
    reports: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    peak_mb: float = 0.0
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every mutant ended in a named error or a report, in time and in bounded memory."""
        return not self.crashes and not self.hangs and self.peak_mb <= MEMORY_MB

    def lines(self) -> list[str]:
        """What a person wants to know."""
        return [
            f"{self.named_errors.total()} named errors, {self.reports.total()} reports",
            f"{len(self.crashes)} crashes, {len(self.hangs)} hangs",
            f"slowest mutant {self.slowest_seconds:.2f} s of processor time, peak memory {self.peak_mb:.0f} MB",
            f"errors: {dict(self.named_errors.most_common())}",
            f"reports: {dict(self.reports.most_common())}",
            *self.crashes[:20],
            *self.hangs[:20],
        ]


def fuzz(cases: Sequence[FuzzCase], count: int, seed: int = 0) -> FuzzResult:
    """Give ``count`` mutants of the cases' files to what reads them; each file is restored afterwards."""
    rng = random.Random(seed)
    originals = {path: path.read_bytes() for case in cases for path in case.targets}
    files = [(case, path) for case in cases for path in case.targets]
    result = FuzzResult()
    ask_transformers("config", folder="")  # Its imports may take longer than a mutant may wait.
    with TemporaryDirectory() as work:
        for number in range(count):
            if number % 100 == 0 and number:
                log.info("%s mutants, %s crashes, %s hangs", number, len(result.crashes), len(result.hangs))
            case, path = rng.choice(files)
            path.write_bytes(mutate(path.name, originals[path], rng))
            mutant = f"mutant {number} of seed {seed}, {case.folder.name}/{path.name}"
            _examine(case, Path(work) / "work", mutant, result)
            path.write_bytes(originals[path])
    TRANSFORMERS_PROCESS.close()
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    result.peak_mb = max(peaks) * 1024 / 1e6
    return result


def _examine(case: FuzzCase, work: Path, mutant: str, result: FuzzResult) -> None:
    start = time.process_time()
    try:
        with _time_bound():
            result.reports[case.read(case.folder, work)] += 1
    except ModelImportError as error:
        result.named_errors[type(error).__name__] += 1
    except Hang as error:
        result.hangs.append(f"{mutant}: {error}")
        log.error("Hang: %s", result.hangs[-1])
    except BaseException as error:  # the point of the exercise; a library in another language panics with such a one
        if isinstance(error, KeyboardInterrupt):
            raise
        result.crashes.append(f"{mutant}: {type(error).__name__}: {str(error)[:300]}")
        log.exception("Crash: %s", mutant)  # at once: who stops the run knows it too
    result.slowest_seconds = max(result.slowest_seconds, time.process_time() - start)
    shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _time_bound() -> Iterator[None]:
    """Raise Hang in the block after HANG_SECONDS of processor time, or after WAIT_SECONDS."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Hang(signal.Signals(number).name)

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, HANG_SECONDS), (signal.SIGALRM, signal.ITIMER_REAL, WAIT_SECONDS))
    for signal_number, timer, seconds in timers:
        signal.signal(signal_number, stop)
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for _, timer, _ in timers:
            signal.setitimer(timer, 0)


def main() -> None:
    """Run one of the two on models made for it, print the result, and exit with 1 when it is not good."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fuzz", "kill"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    run = _run_fuzz if arguments.what == "fuzz" else _run_kills
    with TemporaryDirectory() as folder:
        sys.exit(not run(Path(folder), arguments.count, arguments.seed))


def _run_fuzz(folder: Path, count: int, seed: int) -> bool:
    start = time.monotonic()
    result = fuzz(fuzz_cases(folder), count, seed)
    print(f"{count} mutants in {time.monotonic() - start:.0f} s", *result.lines(), sep="\n")
    return result.good


def _run_kills(folder: Path, count: int, seed: int) -> bool:
    from tests.support.endurance_inputs import KILL_CASES

    for name, make_case in KILL_CASES.items():
        print(
            name, kill_at_random(make_case(folder / name.replace(" ", "-")), count, seed).line(), sep=": ", flush=True
        )
    return True


if __name__ == "__main__":
    main()
