"""Damaged inputs by the thousand, and runs killed at random moments; the test suite runs a small part of each.

python -m benchmarks.checkpoint_endurance fuzz --count 100000
python -m benchmarks.checkpoint_endurance kill --count 50
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import resource
import signal
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.checkpoint.folder import checkpoint_of_folder
from include.checkpoint.inspection import inspect
from include.checkpoint.validation import validate
from include.errors import ModelImportError

STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 2**31, 2**63, 2**64, 10**40, 0.5, 1e308, float("nan"), float("inf"), "", "x", "../x",
    "\ud800", "F32", "BF16", "x" * 5000, [], [0], [-1], [0, 10**15], [[[]]], {}, {"a": {}}, [1] * 50, "4", "mixtral",
    "t5",
)  # fmt: skip


@dataclass
class FuzzResult:
    """What the mutants led to."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    peak_mib: float = 0.0
    crashes: list[str] = field(default_factory=list)


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
        start = time.monotonic()
        try:
            result.outcomes[_examine(folder)] += 1
        except Exception as error:  # the point of the exercise
            result.crashes.append(f"mutant {number} of seed {seed}, {path.name}: {type(error).__name__}: {error}")
        result.slowest_seconds = max(result.slowest_seconds, time.monotonic() - start)
        path.write_bytes(originals[path])
    result.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def _examine(folder: Path) -> str:
    try:
        inspect(folder).model_dump_json()
        report = validate(checkpoint_of_folder(folder))
        report.model_dump_json()
    except ModelImportError as error:
        return type(error).__name__
    return report.errors[0].defect if report.errors else "sound"


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


def kill_at_random(work: Callable[[], object], check: Callable[[], object], count: int, seed: int = 0) -> int:
    """Run ``work`` in ``count`` children killed at random moments, ``check`` after each; how many died of it."""
    for _ in range(2):  # the first warms the caches, the second tells how long a run takes
        start = time.monotonic()
        _child(work)()
        duration = time.monotonic() - start
        check()
    rng = random.Random(seed)
    killed = 0
    for _ in range(count):
        wait = _child(work)
        killed += wait(rng.uniform(0, duration))
        check()
    return killed


def _child(work: Callable[[], object]) -> Callable[..., bool]:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)

    def wait(delay: float | None = None) -> bool:
        if delay is not None:
            time.sleep(delay)
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        return os.WIFSIGNALED(status)

    return wait


def main() -> None:
    """Run one of the two on models made for it, and print the result."""
    from tests.unit.checkpoint.endurance_inputs import convert_case, fuzz_folder, merge_case

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fuzz", "kill"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "fuzz":
            start = time.monotonic()
            result = fuzz(fuzz_folder(Path(folder)), arguments.count, arguments.seed)
            print(f"{arguments.count} mutants in {time.monotonic() - start:.0f} s, {len(result.crashes)} crashes,")
            print(f"slowest {result.slowest_seconds:.2f} s, peak {result.peak_mib:.0f} MiB")
            print(*result.outcomes.most_common(), *result.crashes[:20], sep="\n")
        else:
            for name, case in (("merge", merge_case), ("convert", convert_case)):
                work, check = case(Path(folder) / name)
                killed = kill_at_random(work, check, arguments.count, arguments.seed)
                print(
                    f"{name}: {killed} of {arguments.count} killed before their end; the next run was right each time"
                )


if __name__ == "__main__":
    main()
