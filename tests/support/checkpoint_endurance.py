"""Damaged inputs by the thousand, and runs killed at random moments; the test suite runs a small part of each.

python -m tests.support.checkpoint_endurance fuzz --count 100000
python -m tests.support.checkpoint_endurance kill --count 50
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import resource
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from include.checkpoint.checks.validation import validate
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.inspection import inspect
from include.errors import ModelImportError
from tests.support.checkpoint_kills import kill_at_random

STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 2**31, 2**63, 2**64, 10**40, 0.5, 1e308, float("nan"), float("inf"), "", "x", "../x",
    "\ud800", "F32", "BF16", "x" * 5000, [], [0], [-1], [0, 10**15], [[[]]], {}, {"a": {}}, [1] * 50, "4", "mixtral",
    "t5",
)  # fmt: skip


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


def fuzz(folder: Path, count: int, seed: int = 0) -> FuzzResult:
    """Inspect and validate ``count`` mutants of the sharded model in ``folder``, which is restored after each."""
    rng = random.Random(seed)
    targets = [folder / "config.json", folder / "model.safetensors.index.json", *sorted(folder.glob("*.safetensors"))]
    originals = {path: path.read_bytes() for path in targets}
    result = FuzzResult()
    for number in range(count):
        path = rng.choice(targets)
        mutate = mutate_shard if path.suffix == ".safetensors" else mutate_json
        path.write_bytes(mutate(originals[path], rng))
        _examine(folder, f"mutant {number} of seed {seed}, {path.name}", result)
        path.write_bytes(originals[path])
    result.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return result


def _examine(folder: Path, mutant: str, result: FuzzResult) -> None:
    start = time.process_time()
    try:
        with _time_bound():
            inspect(folder).model_dump_json()
            report = validate(checkpoint_of_folder(folder))
            report.model_dump_json()
        result.reports[report.errors[0].defect if report.errors else "sound"] += 1
    except ModelImportError as error:
        result.named_errors[type(error).__name__] += 1
    except Hang as error:
        result.hangs.append(f"{mutant}: {error}")
    except Exception as error:  # the point of the exercise
        result.crashes.append(f"{mutant}: {type(error).__name__}: {error}")
    result.slowest_seconds = max(result.slowest_seconds, time.process_time() - start)


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


def mutate_json(raw: bytes, rng: random.Random) -> bytes:
    """The JSON text with one to three changes of structure, or of bytes."""
    if rng.random() < 0.2:
        return _mutate_bytes(raw, rng)
    value = json.loads(raw)
    for _ in range(rng.randint(1, 3)):
        _change(value, rng)
    return json.dumps(value).encode()


def mutate_shard(raw: bytes, rng: random.Random) -> bytes:
    """The file with another header, another header length, or cut off."""
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = raw[8 : 8 + length], raw[8 + length :]
    kind = rng.random()
    if kind < 0.1:
        return struct.pack("<Q", rng.choice([0, 1, length - 1, length + 1, 2**24, 2**40, 2**63])) + raw[8:]
    if kind < 0.2:
        return raw[: rng.randrange(len(raw))]
    text = header[:-1] + b"," + header[1:] if kind < 0.25 else mutate_json(header, rng)
    return struct.pack("<Q", len(text)) + text + data


def _mutate_bytes(raw: bytes, rng: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _change(value: Any, rng: random.Random) -> None:
    """Go down a random path and change what is there."""
    while isinstance(value, dict | list) and value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        inner = value[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
            value = inner
            continue
        _change_item(value, key, rng)
        return


def _change_item(value: Any, key: Any, rng: random.Random) -> None:
    kind = rng.random()
    if kind < 0.15:
        del value[key]
    elif kind < 0.3 and isinstance(value[key], int):
        value[key] += rng.choice([-1, 1, 8, 1000])
    elif kind < 0.4 and isinstance(value, dict):
        value[f"{key}x"] = value.pop(key)
    else:
        value[key] = copy.deepcopy(rng.choice(STRANGE))


def main() -> None:
    """Run one of the two on models made for it, print the result, and exit with 1 when it is not good."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fuzz", "kill"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    run = _run_fuzz if arguments.what == "fuzz" else _run_kills
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(not run(Path(folder), arguments.count, arguments.seed))


def _run_fuzz(folder: Path, count: int, seed: int) -> bool:
    from tests.support.endurance_inputs import fuzz_folder

    start = time.monotonic()
    result = fuzz(fuzz_folder(folder), count, seed)
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
