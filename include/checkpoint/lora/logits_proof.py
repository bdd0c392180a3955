"""Whether a merged model computes what the adapter's own does: logits of peft's model and of the merged files."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from include.checkpoint.errors import DiskFullError, MemoryShortError
from include.checkpoint.files.memory import refuse_short_memory
from include.checkpoint.files.reading import LOCAL, RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.files.tensors import stored_tensors
from include.checkpoint.lora import logits_process
from include.checkpoint.lora.adapter import read_adapter
from include.checkpoint.lora.errors import LogitsNotComparedError, MergedLogitsDifferError
from include.checkpoint.lora.joined_experts import split_joined_experts
from include.checkpoint.lora.peft_merge import save_for_peft
from include.checkpoint.writing.links import link_or_write
from include.limited_process import Limits, run_limited

SEQUENCES = 4
# Bases of fewer bytes are compared without being asked to.
SMALL_BASE = 10**9
# How much further than after one random rounding the logits may be. A merge is at 0.8 of it, as its roundings are a
# little smaller, and at 1.1 where peft changes the base first, so that two roundings add up.
ALLOWED = 2
# Two models in float32, of a base in 16 bits, with peft's copies; importing torch, transformers and peft.
MEMORY_FACTOR, MEMORY_BASE = 6, 10**9
# Time and address space, which importing takes much of.
BASE_SECONDS, SECONDS_PER_GB, BASE_ADDRESSES = 120, 180, 16 * 2**30
MAX_OUTPUT = 2**20


@dataclass(frozen=True)
class LogitsProof:
    """The comparison on ``sequences`` random sequences of ``tokens`` tokens; ``skipped`` says why there was none.

    ``difference`` is between merged and trained logits, ``rounding`` what rounding the merged tensors again changes,
    ``adapter_effect`` the difference between the base's and the trained logits.
    """

    sequences: int = 0
    tokens: int = 0
    difference: float = 0.0
    rounding: float = 0.0
    adapter_effect: float = 0.0
    skipped: str = ""

    @property
    def allowed(self) -> float:
        """How far the logits may be from peft's."""
        return ALLOWED * self.rounding

    def record(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "allowed": self.allowed}

    def summary(self) -> str:
        """One line for a log or a note."""
        if self.skipped:
            return f"The merged model's logits were not compared with peft's: {self.skipped}."
        return (
            f"The merged model's logits are those of peft's own model on {self.sequences} random sequences of "
            f"{self.tokens} tokens: they differ by {self.difference:.2g}; rounding allows {self.allowed:.2g}, and the "
            f"adapter changes them by {self.adapter_effect:.2g}."
        )


def prove_logits(
    base: Checkpoint,
    adapter_dir: Path,
    merged: Checkpoint | Path,
    work_dir: Path,
    sequences: int | None = None,
    reader: RangeReader = LOCAL,
) -> LogitsProof:
    """Compare the logits of peft's model, base + adapter, with those of the merged model, in a process with limits.

    Args:
        base: what the adapter was merged into.
        adapter_dir: the adapter's folder.
        merged: the merged model, or a folder that holds it.
        work_dir: where models are laid out that no local folder holds.
        sequences: how many token sequences; 0 compares nothing; None takes a few if the base is small, the machine
            has room for it, and peft can load it.
        reader: reads the sources.

    Raises:
        MergedLogitsDifferError: the difference is more than rounding explains.
        LogitsNotComparedError, MemoryShortError, DiskFullError: ``sequences`` were asked for, and cannot be compared.
    """
    if sequences == 0:
        return LogitsProof(skipped="--check 0 was given")
    if sequences is None and base.size >= SMALL_BASE:
        return LogitsProof(skipped=f"the base has {base.size:,} bytes, {SMALL_BASE:,} or more")
    try:
        refuse_short_memory("comparing logits", MEMORY_FACTOR * base.size + MEMORY_BASE)
        proof = _compare(base, adapter_dir, merged, work_dir, sequences or SEQUENCES, reader)
    except (LogitsNotComparedError, MemoryShortError, DiskFullError) as error:
        if sequences is not None:
            raise
        return LogitsProof(skipped=str(error))
    if not proof.difference <= proof.allowed:  # NaN is no agreement
        raise MergedLogitsDifferError(proof.sequences, proof.difference, proof.allowed, proof.adapter_effect)
    return proof


def _compare(
    base: Checkpoint,
    adapter_dir: Path,
    merged: Checkpoint | Path,
    work_dir: Path,
    sequences: int,
    reader: RangeReader,
) -> LogitsProof:
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work_dir, prefix="logits-") as temporary:
        folder = Path(temporary)
        link_or_write(base, folder / "base", reader)
        entries = {name: stored.entry for name, stored in stored_tensors(base, reader).items()}
        save_for_peft(split_joined_experts(read_adapter(adapter_dir), entries), folder / "adapter")
        if isinstance(merged, Checkpoint):
            link_or_write(merged, folder / "merged", reader)
        folders = {"base": folder / "base", "adapter": folder / "adapter"}
        folders["merged"] = folder / "merged" if isinstance(merged, Checkpoint) else merged.absolute()
        figures = _figures({name: str(path) for name, path in folders.items()} | {"sequences": sequences}, base.size)
    return replace(figures, sequences=sequences, tokens=logits_process.TOKENS)


def _figures(job: dict[str, Any], size: int) -> LogitsProof:
    gigabytes = size // 10**9 + 1
    limits = Limits(BASE_SECONDS + SECONDS_PER_GB * gigabytes, BASE_ADDRESSES + MEMORY_FACTOR * size, MAX_OUTPUT)
    with tempfile.TemporaryFile() as output:
        ended = run_limited(logits_process.__file__, json.dumps(job).encode(), output, limits)
        output.seek(0)
        said = output.read()
    answer: dict[str, Any] = json.loads(said) if said and not ended else {"problem": ended or "no answer"}
    if "problem" in answer:
        raise LogitsNotComparedError(answer["problem"])
    return LogitsProof(**answer)
