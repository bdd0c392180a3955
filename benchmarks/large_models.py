"""Takes the shapes of large models through the steps of an import, on no disk of that size.

    python -m benchmarks.large_models
    python -m benchmarks.large_models --models mistral-7b crowded --latency 0

A synthetic S3 in a process of its own computes the base's bytes, and checks and counts what it receives. Each step is a
process, as in Airflow. The adapter changes q and v of two layers; they are read, merged and sent, everything else is
planned as copies. "As it is" imports the base without an adapter. "All linears" plans the merge and the upload of an
adapter on every linear layer from headers, without a byte of the weights. Each step's figures go to standard error as
JSON; the tables follow, and the bounds are checked at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import requests

from benchmarks.delivery_tools import ROOT
from benchmarks.large_models_shapes import CROWDED, MODELS
from benchmarks.servers import wait_for_answer
from include.demo.processes import LOOPBACK, ProcessGroup, free_port, inherited_environment
from include.service.limits import load_limits

MIB = 2**20
MOST_MEMORY, MOST_PARTS = 450, 10_000
PREFERRED_PORT = 8333
WITH_ADAPTER = ("describe", "prepare", "merge", "validate", "deliver", "again", "forced")
VARIANTS = {
    "as it is": ("describe", "prepare", "validate", "deliver", "again"),
    "adapter": WITH_ADAPTER,
    "all linears": ("plan",),
}
#: A prefix with other files is only looked at as it is, up to the step that cuts the weights into tensors.
CROWDED_VARIANTS = {"as it is": ("describe", "prepare")}
#: HEAD and GET; DeleteObject and AbortMultipartUpload are free, and everything else costs as much as a write.
READS = ("GetObject", "HeadObject")
FREE = ("DeleteObject", "AbortMultipartUpload")
BYTES = ("bytes read", "bytes sent", "bytes copied")


class Done(NamedTuple):
    """A step: what it printed, and what S3 counted; a refused one has ``error``."""

    model: str
    variant: str
    step: str
    result: dict[str, Any]
    counts: dict[str, int]

    def requests(self, *, reads: bool) -> int:
        """Return the number of requests that cost as much as a read, or as a write."""
        named = {name: it for name, it in self.counts.items() if name[0].isupper() and name not in FREE}
        return sum(it for name, it in named.items() if (name in READS) is reads)

    @property
    def dollars(self) -> float:
        """What the step's requests cost."""
        prices = load_limits().s3_prices
        reads, writes = self.requests(reads=True), self.requests(reads=False)
        return (reads * prices.per_thousand_reads + writes * prices.per_thousand_writes) / 1000

    @property
    def memory(self) -> float:
        """The step's peak memory in MiB, that of the process with transformers if it is higher."""
        return max(float(self.result.get("mib", 0)), float(self.result.get("child_mib", 0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[*MODELS, *CROWDED], choices=[*MODELS, *CROWDED])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--latency", type=float, default=0.03, help="seconds that each answer of S3 takes at least")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="large-models-") as folder:
        work = Path(folder)
        with synthetic_s3(work, arguments.latency) as endpoint_url:
            pairs = [(model, variant) for model in arguments.models for variant in arguments.variants]
            done = [it for pair in pairs for it in take_through(endpoint_url, *pair, work)]
    for table in (amounts(done), steps(done), plans(done)):
        print("\n".join(table), end="\n\n")
    print(f"Load at the end: {', '.join(f'{it:.1f}' for it in os.getloadavg())}; {os.cpu_count()} cores")
    sys.exit("\n".join(broken_bounds(done)))


@contextmanager
def synthetic_s3(work: Path, latency: float) -> Iterator[str]:
    """Run the synthetic S3 and return its address."""
    group = ProcessGroup(work / "processes")
    port = free_port(PREFERRED_PORT)[0]
    command = [sys.executable, "-m", "benchmarks.synthetic_s3", str(port), str(latency)]
    try:
        group.start("synthetic-s3", command, inherited_environment() | {"PYTHONPATH": str(ROOT)})
        endpoint_url = f"http://{LOOPBACK}:{port}"
        wait_for_answer(f"{endpoint_url}/_counts", group)
        group.check()  # the answer may be that of another benchmark, which took the port in between
        yield endpoint_url
    finally:
        group.stop()


def take_through(endpoint_url: str, model: str, variant: str, work: Path) -> Iterator[Done]:
    """Run the steps of a variant of a model, until one is refused."""
    names = (CROWDED_VARIANTS if model in CROWDED else VARIANTS).get(variant, ())
    with tempfile.TemporaryDirectory(dir=work) as folder:
        for step in names:
            done = run(endpoint_url, Path(folder), model, variant, step)
            print(json.dumps(done._asdict()), file=sys.stderr, flush=True)
            yield done
            if "error" in done.result:
                break


def run(endpoint_url: str, folder: Path, model: str, variant: str, step: str) -> Done:
    """Run one step and return its figures."""
    counts_url = f"{endpoint_url}/_counts"
    requests.get(counts_url, timeout=10)
    command = [sys.executable, "-m", "benchmarks.large_models_step"]
    command += [step, endpoint_url, str(folder), model, variant.replace(" ", "-")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    counts = requests.get(counts_url, timeout=10).json()
    if done.returncode:
        return Done(model, variant, step, {"error": _error_of(done.stderr)}, counts)
    return Done(model, variant, step, json.loads(done.stdout), counts)


def _error_of(traceback: str) -> str:
    """Return the message of the last exception, which begins with its class."""
    lines = traceback.rpartition("Traceback")[2].splitlines()[1:]
    return re.sub(r"^(\w+\.)+", "", "\n".join(line for line in lines if not line.startswith(" ")))


def by_run(done: Iterable[Done]) -> dict[tuple[str, str], list[Done]]:
    """Return the steps of each model and variant."""
    found: dict[tuple[str, str], list[Done]] = {}
    for it in done:
        found.setdefault((it.model, it.variant), []).append(it)
    return found


def amounts(done: Iterable[Done]) -> list[str]:
    """Return a table of what each run read, sent and copied, and what its requests cost, with all of its steps."""
    lines = ["| Model | | GB | Files | MB read | MB sent | GB copied | Parts | Reads | Writes | USD | MiB |"]
    lines.append("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for (model, variant), found in by_run(done).items():
        if variant == "all linears" or "error" in found[0].result:
            continue
        read, sent, copied = (_total(found, name) for name in BYTES)
        reads, writes = (sum(it.requests(reads=reads) for it in found) for reads in (True, False))
        size, files = found[0].result["bytes"], found[0].result["files"]
        lines.append(
            f"| {model} | {variant} | {size / 1e9:.1f} | {files} | {read / 1e6:,.1f} | {sent / 1e6:,.1f} "
            f"| {copied / 1e9:.1f} | {_total(found, 'parts'):,} | {reads:,} | {writes:,} "
            f"| {sum(it.dollars for it in found):.4f} | {max(it.memory for it in found):.0f} |"
        )
    return lines


def _total(found: Iterable[Done], name: str) -> int:
    return sum(it.counts.get(name, 0) for it in found)


def steps(done: Iterable[Done]) -> list[str]:
    """Return a table of the seconds, the processor's seconds and the peak memory of each step."""
    lines = ["| Model | | " + " | ".join(WITH_ADAPTER) + " |", "|---|---|" + "---|" * len(WITH_ADAPTER)]
    for (model, variant), found in by_run(done).items():
        if variant == "all linears":
            continue
        cells = {it.step: _cell(it) for it in found}
        lines.append(f"| {model} | {variant} | " + " | ".join(cells.get(step, "") for step in WITH_ADAPTER) + " |")
    return lines


def _cell(done: Done) -> str:
    if "error" in done.result:
        return done.result["error"].partition(":")[0]
    return f"{done.result['seconds']:.1f} s, {done.result['cpu']:.1f} s, {done.memory:.0f} MiB"


def plans(done: Iterable[Done]) -> list[str]:
    """Return a table of the plans in which every linear layer changes."""
    lines = [
        "| Model | GB sent | GB copied | Parts | Most in a file | Largest sent, MiB | Checkpoint, kB | Read ranges, MB"
    ]
    lines[0] += " | s | CPU s | MiB |"
    lines.append("|---" * 11 + "|")
    for it in done:
        if it.variant == "all linears" and "error" not in it.result:
            lines.append(_plan_row(it.model, it.result))
    return lines


def _plan_row(model: str, plan: Mapping[str, Any]) -> str:
    return (
        f"| {model} | {plan['bytes_sent'] / 1e9:.1f} | {plan['bytes_copied'] / 1e9:.1f} | {plan['parts']:,} "
        f"| {plan['most_parts']:,} | {plan['largest_sent'] / MIB:.1f} | {plan['checkpoint_json'] / 1e3:,.0f} "
        f"| {plan['ranges_json'] / 1e6:.1f} | {plan['seconds']:.1f} | {plan['cpu']:.1f} | {plan['mib']:.0f} |"
    )


def broken_bounds(done: Iterable[Done]) -> list[str]:
    """Return what is outside of the bounds, or failed; an overcrowded prefix is refused."""
    found = []
    for it in done:
        name = f"{it.model}, {it.variant}, {it.step}"
        if ("error" in it.result) is not (it.model == "overcrowded"):
            found.append(f"{name}: {it.result.get('error', 'not refused')}")
        if it.memory > MOST_MEMORY:
            found.append(f"{name}: {it.memory:.0f} MiB, more than {MOST_MEMORY}")
        if it.result.get("most_parts", 0) > MOST_PARTS:
            found.append(f"{name}: {it.result['most_parts']} parts in one file")
    return found


if __name__ == "__main__":
    main()
