"""Conversion and merge against ``cp -r`` and peft, paired, in one run.

    python benchmarks/checkpoint.py [--rounds 3] [--work DIR]

Each measurement is a process of its own, that imports what it needs; what ``python -c "import torch, numpy"`` takes in
the same run is subtracted from ours, and what importing peft and transformers as well takes from peft's. Ours does not
import torch, so it may take less than nothing; what our own start takes is a row of its own. Ratios are medians over
rounds.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = 5
LINEAR_BYTES = 436_207_616  # the seven linear layers of one layer of a 7B model, in bf16
TORCH_IMPORTS, PEFT_IMPORTS = "import torch, numpy", "import of peft and transformers too"
OUR_START_ROW = "import of our merge, torch's library loaded"
QV = ("self_attn.q_proj", "self_attn.v_proj")

MAKE = """
import sys; sys.path.insert(0, {root!r}); from pathlib import Path
from benchmarks.checkpoint_model import LINEAR, make_adapter, make_base, make_raw
work = Path({work!r})
make_base(work / "base", {layers}); make_raw(work / "raw", {layers})
make_adapter(work / "qv", {layers}, {qv!r}, 16); make_adapter(work / "seven", {layers}, tuple(LINEAR), 64)
"""
OUR_START = "import sys; sys.path.insert(0, {root!r}); from pathlib import Path\n"
MERGE = """
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.lora.merging import merge
base = checkpoint_of_folder({base!r})
result = merge(base, {adapter!r}, {out!r}, out_dir={out_dir})
result.checkpoint.save({out!r} + "/checkpoint.json")
"""
OUR_IMPORTS = """
import include.checkpoint.lora.merging
from include.checkpoint.lora.torch_kernels import kernels
kernels()
"""
CONVERT = """
from include.checkpoint.mistral.conversion import convert
checkpoint = convert({raw!r}, {out!r}, durable={durable})
checkpoint.save({out!r} + "/checkpoint.json")
"""
MATERIALIZE = """
from include.checkpoint.writing.materialize import materialize
materialize({value}, Path({out!r} + "/model"))
"""
WITHOUT_DIGESTS = """
import include.checkpoint.writing.overlay as overlay
class NoHash:
    def update(self, data): pass
    def hexdigest(self): return ""
overlay.hashlib = type("hashlib", (), {"sha256": NoHash})
overlay.crc64nvme = lambda data: 0
"""
PEFT = """
from peft import PeftModel
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained({base!r}, torch_dtype="auto")
PeftModel.from_pretrained(model, {adapter!r}).merge_and_unload().save_pretrained({out!r} + "/model")
"""


# Python keeps the compiled form of modules unless told otherwise; installed packages have theirs already.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Run:
    """What one process took."""

    seconds: float
    peak_mib: float
    cpu_seconds: float


def measure(command: list[str]) -> Run:
    """Run a command and wait for it."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT)
    error = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[:2]} failed:\n{error.decode()[-2000:]}")
    return Run(time.monotonic() - start, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def python(code: str) -> list[str]:
    """A command that runs ``code``."""
    return [sys.executable, "-W", "ignore", "-c", code]


def zeros(folder: Path, size: int) -> list[str]:
    """A command that writes this many zeros and forces them to the disk: what nobody's merge can do without."""
    count, target = str(size // 2**20), f"of={folder}/zeros"
    return ["dd", "if=/dev/zero", target, "bs=1M", f"count={count}", "conv=fsync", "status=none"]


class Bench:
    """The inputs in ``work`` and a fresh output folder for each measurement."""

    def __init__(self, work: Path, layers: int) -> None:
        self.work, self.out, self.layers = work, work / "out", layers
        self.base, self.raw = work / "base", work / "raw"
        # In a process of its own: a child's peak memory counts what its parent had when it was started.
        measure(python(MAKE.format(root=str(ROOT), work=str(work), layers=layers, qv=QV)))

    def fill(self, code: str, adapter: str = "qv") -> str:
        """The code with the folders in place; on the way to a folder nothing else is synced, as on the command line."""
        to_folder = "materialize(" in code
        code = code.replace("{durable}", str(not to_folder))
        code = code.replace("{out_dir}", f"Path({str(self.out / 'model')!r})" if to_folder else "None")
        parts = {"base": self.base, "raw": self.raw, "adapter": self.work / adapter, "out": self.out}
        for name, path in parts.items():
            code = code.replace(f"{{{name}!r}}", repr(str(path)))
        return OUR_START.format(root=str(ROOT)) + code

    def run(self, command: list[str]) -> Run:
        """One measurement with an empty output folder and a quiet disk."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        os.sync()
        return measure(command)


def subjects(bench: Bench) -> dict[str, Callable[[], list[str]]]:
    """Name → command of everything that is measured in each round."""

    def ours(code: str, adapter: str = "qv") -> Callable[[], list[str]]:
        return lambda: python(bench.fill(code, adapter))

    merged = MATERIALIZE.replace("{value}", "result.checkpoint")
    converted = MATERIALIZE.replace("{value}", "checkpoint")
    return {
        "cp -r of the base": lambda: ["cp", "-r", str(bench.base), str(bench.out)],
        "cp -r of the base, synced": lambda: ["sh", "-c", f"cp -r {bench.base} {bench.out} && sync -f {bench.out}"],
        "as many zeros as seven linears change, synced": lambda: zeros(bench.out, LINEAR_BYTES * bench.layers),
        TORCH_IMPORTS: ours("import torch, numpy"),
        PEFT_IMPORTS: ours("import torch, numpy, peft; from transformers import AutoModelForCausalLM"),
        OUR_START_ROW: ours(OUR_IMPORTS),
        "merge q,v r=16": ours(MERGE),
        "merge seven linears r=64": ours(MERGE, "seven"),
        "convert": ours(CONVERT),
        "merge q,v r=16, materialised": ours(MERGE + merged),
        "merge seven linears r=64, materialised": ours(MERGE + merged, "seven"),
        "convert, materialised": ours(CONVERT + converted),
        "merge seven linears r=64, without digests": ours(WITHOUT_DIGESTS + MERGE, "seven"),
        "peft, q,v r=16": ours(PEFT),
        "peft, seven linears r=64": ours(PEFT, "seven"),
    }


def table(runs: dict[str, list[Run]], base_bytes: int) -> list[str]:
    """The rows of the result, as Markdown; ours syncs what it writes, ``cp`` only where it is said."""
    copy, synced = "cp -r of the base", "cp -r of the base, synced"
    lines = [
        f"Base of {base_bytes / 1e9:.2f} GB in bf16, {len(runs[copy])} rounds, {os.cpu_count()} cores.",
        "",
        "| | seconds beyond imports | x `cp -r` | x the same, synced | CPU s | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in runs.items():
        imports = _imports(name)
        beyond = [run.seconds - (runs[imports][i].seconds if imports else 0) for i, run in enumerate(found)]
        against = [
            [value / run.seconds for value, run in zip(beyond, runs[rival], strict=True)] for rival in (copy, synced)
        ]
        ratios = " | ".join(f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in against)
        lines.append(
            f"| {name} | {statistics.median(beyond):.2f} | {ratios} "
            f"| {statistics.median(run.cpu_seconds for run in found):.1f} | {max(run.peak_mib for run in found):.0f} |"
        )
    return [*lines, "", *comparisons(runs)]


def comparisons(runs: dict[str, list[Run]]) -> list[str]:
    """How much faster than peft each merge is, and what digests cost; medians over rounds of ratios within a round."""

    def beyond(name: str, imports: str) -> list[float]:
        return [run.seconds - start.seconds for run, start in zip(runs[name], runs[imports], strict=True)]

    def ratio(name: str, rival: str, imports: str, rival_imports: str) -> float:
        pairs = zip(beyond(name, imports), beyond(rival, rival_imports), strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    lines = []
    for adapter in ("q,v r=16", "seven linears r=64"):
        mine, theirs = f"merge {adapter}", f"peft, {adapter}"
        if mine in runs and theirs in runs:
            beyond_torch = ratio(theirs, mine, PEFT_IMPORTS, TORCH_IMPORTS)
            own = ratio(theirs, mine, PEFT_IMPORTS, OUR_START_ROW)
            times = f"{beyond_torch:.2f} x ours" if beyond_torch > 0 else "ours takes less than that"
            lines.append(f"- {theirs}: beyond the import of torch, {times}; beyond our own start, {own:.2f} x ours.")
    with_digests, without = "merge seven linears r=64", "merge seven linears r=64, without digests"
    if with_digests in runs and without in runs:
        digests = ratio(with_digests, without, OUR_START_ROW, OUR_START_ROW)
        lines.append(f"- Digests, beyond our own start: {digests:.2f} x without.")
    return lines


def _imports(name: str) -> str | None:
    if name.startswith(("cp", "as many", "import")):
        return None
    return PEFT_IMPORTS if name.startswith("peft") else TORCH_IMPORTS


def main() -> None:
    """Make the inputs, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--work", type=Path, help="folder for the models, on the disk to measure")
    parser.add_argument("--only", default="", help="measure only what holds this text, beside cp and imports")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        bench = Bench(Path(folder), arguments.layers)
        commands = {n: c for n, c in subjects(bench).items() if arguments.only in n or _imports(n) is None}
        bench.run(python(bench.fill(MERGE)))
        bench.run(python(bench.fill(CONVERT)))
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        for number in range(arguments.rounds):
            for name, command in commands.items():
                runs[name].append(bench.run(command()))
                print(f"round {number + 1}: {name}: {runs[name][-1].seconds:.2f} s", file=sys.stderr, flush=True)
        size = sum(path.stat().st_size for path in bench.base.iterdir())
        print("\n".join(table(runs, size)))


if __name__ == "__main__":
    main()
