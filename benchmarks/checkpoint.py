"""Conversion and merge against ``cp -r`` and peft: the wall time of whole commands, as a user waits for them.

    python -m benchmarks.checkpoint [--rounds 3] [--work DIR] [--against OTHER_CHECKOUT]

Every command is a process that starts, imports, works and validates; nothing is subtracted. The commands take turns, so
that a noisy machine is noisy for all. ``--against`` measures the merges of another checkout in the same rounds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = 5
ADAPTERS = {"q,v r=16": "qv", "seven linears r=64": "seven"}
COPY = "cp -r of the base, then a sync"
NOT_VALID = 1  # The models have no tokenizer, which the validation at the end reports.

MAKE = """
from pathlib import Path
from benchmarks.checkpoint_model import LINEAR, make_adapter, make_base, make_raw
work, layers = Path({work!r}), {layers}
make_base(work / "base", layers)
make_raw(work / "raw", layers)
make_adapter(work / "qv", layers, ("self_attn.q_proj", "self_attn.v_proj"), 16)
make_adapter(work / "seven", layers, tuple(LINEAR), 64)
"""
PEFT = """
from peft import PeftModel
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained({base!r}, torch_dtype="auto")
PeftModel.from_pretrained(model, {adapter!r}).merge_and_unload().save_pretrained({out!r})
"""
# Python keeps the compiled form of modules unless told otherwise; installed packages have theirs already.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Run:
    """What one process took."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measure(command: list[str], root: Path = ROOT) -> Run:
    """Run a command of a checkout and wait for it."""
    start = time.monotonic()
    environment = ENVIRONMENT | {"PYTHONPATH": str(root)}
    process = subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    error = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, NOT_VALID) or "Traceback" in error:
        raise SystemExit(f"{command} failed:\n{error[-2000:]}")
    return Run(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def python(*arguments: str) -> list[str]:
    """A command that runs Python."""
    return [sys.executable, "-W", "ignore", *arguments]


def subjects(work: Path, against: Path | None) -> dict[str, tuple[list[str], Path]]:
    """Name → command and the checkout it runs in."""
    base, out = work / "base", work / "out" / "model"
    convert = ["convert", "--source", str(work / "raw"), "--out", str(out)]
    found = {
        COPY: (["sh", "-c", f"cp -r {base} {out} && sync -f {out}"], ROOT),
        "convert --out": (python("-m", "include.checkpoint", *convert), ROOT),
    }
    for name, folder in ADAPTERS.items():
        adapter = str(work / folder)
        merge = python(
            "-m", "include.checkpoint", "merge", "--base", str(base), "--adapter", adapter, "--out", str(out)
        )
        found[f"merge --out, {name}"] = merge, ROOT
        if against:
            found[f"the same in {against}, {name}"] = merge, against
        found[f"peft, {name}"] = python("-c", PEFT.format(base=str(base), adapter=adapter, out=str(out))), ROOT
    return found


def measure_rounds(work: Path, rounds: int, against: Path | None) -> dict[str, list[Run]]:
    """Each subject's runs, in turns, each with an empty output folder and a quiet disk."""
    commands = subjects(work, against)
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, (command, root) in commands.items():
            shutil.rmtree(work / "out", ignore_errors=True)
            (work / "out").mkdir()
            os.sync()
            runs[name].append(measure(command, root))
            print(f"round {number + 1}: {name}: {runs[name][-1].seconds:.1f} s", file=sys.stderr, flush=True)
    return runs


def table(runs: dict[str, list[Run]]) -> list[str]:
    """The result as Markdown; the ratio is the median of those within a round."""
    lines = ["| | wall s (from, to) | x the copy | CPU s | peak MiB |", "|---|---|---|---|---|"]
    for name, found in runs.items():
        seconds = [run.seconds for run in found]
        ratio = statistics.median(run.seconds / copy.seconds for run, copy in zip(found, runs[COPY], strict=True))
        lines.append(
            f"| {name} | {statistics.median(seconds):.1f} ({min(seconds):.1f}, {max(seconds):.1f}) | {ratio:.2f} "
            f"| {statistics.median(run.cpu_seconds for run in found):.1f} | {max(run.peak_mib for run in found):.0f} |"
        )
    return lines


def main() -> None:
    """Make the inputs, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--work", type=Path, help="folder for the models, on the disk to measure")
    parser.add_argument("--against", type=Path, help="another checkout, whose merges are measured as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        work = Path(folder)
        # In a process of its own: a child's peak memory counts what its parent had when it was started.
        measure(python("-c", MAKE.format(work=str(work), layers=arguments.layers)))
        runs = measure_rounds(work, arguments.rounds, arguments.against)
        size = sum(path.stat().st_size for path in (work / "base").iterdir())
    print(f"Base of {size / 1e9:.2f} GB in bf16, {arguments.rounds} rounds, {os.cpu_count()} cores.\n")
    print("\n".join(table(runs)))


if __name__ == "__main__":
    main()
