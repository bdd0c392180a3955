"""The commands of ``python -m include.checkpoint`` and their output."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.checks.transformers_process import TRANSFORMERS_PROCESS
from include.checkpoint.checks.validation import NOT_LOADED, validate
from include.checkpoint.converting import convert, peft_adapter
from include.checkpoint.errors import DiskFilledError, DiskFullError, OutputExistsError
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.reading import RangeReader, UriReader
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.inspection import inspect
from include.checkpoint.layouts import CONVERTED, kind_of, refuse_other_layouts
from include.checkpoint.normalising import normalise
from include.checkpoint.writing.disk import named_when_full, room_for
from include.checkpoint.writing.materialize import materialize
from include.checkpoint.writing.progress import LogProgress
from include.errors import ModelImportError

if TYPE_CHECKING:
    from include.checkpoint.lora.logits_proof import LogitsProof

WORK_SUFFIX = ".work"
GOOD, DEFECTS = 0, 1

# Exit code, a value for --json, lines for a person.
Outcome = tuple[int, dict[str, Any], list[str]]
# What compares the model that was written with the one that was trained.
Compare = Callable[..., "LogitsProof"]


def run_inspect(arguments: argparse.Namespace) -> Outcome:
    """Print what is at a location."""
    report = inspect(arguments.location, _reader(arguments.location)).model_dump(mode="json")
    lines = [f"{name}: {_plain(value)}" for name, value in report.items() if value not in (None, {}, ())]
    return GOOD, report, lines


def run_validate(arguments: argparse.Namespace) -> Outcome:
    """Print every defect of a checkpoint."""
    reader = _reader(arguments.location)
    refuse_other_layouts(arguments.location, reader)
    checkpoint = checkpoint_of_folder(arguments.location, reader)
    loaded_from = _as_folder(arguments.location, checkpoint, reader) if arguments.load else NOT_LOADED
    report = validate(checkpoint, reader, loaded_from=loaded_from)
    lines = [f"error: {record.line()}" for record in report.errors]
    lines += [f"warning: {record.line()}" for record in report.warnings]
    return DEFECTS if report.errors else GOOD, report.model_dump(mode="json"), [*lines, report.summary]


@contextmanager
def _as_folder(location: str, checkpoint: Checkpoint, reader: RangeReader) -> Iterator[Path]:
    """Yield a folder with the checkpoint: the location itself, or a temporary copy of what is in S3."""
    if not is_s3_uri(location):
        yield Path(location)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "checkpoint"
        materialize(checkpoint, folder, progress=LogProgress("Fetching"), reader=reader)
        yield folder


def run_convert(arguments: argparse.Namespace) -> Outcome:
    """Write a raw Mistral model, or one with pickled weights, as a Hugging Face folder of safetensors files."""
    with _work_dir(arguments.out) as work:
        checkpoint = convert(arguments.source, work, progress=LogProgress("Converting", "tensors"), durable=False)
        return _finish(checkpoint, arguments.out, work, {})


def run_merge(arguments: argparse.Namespace) -> Outcome:
    """Write base + adapter as a Hugging Face folder; a raw Mistral base is converted on the way."""
    from include.checkpoint.lora.logits_proof import prove_logits
    from include.checkpoint.lora.merging import merge  # imports torch, which takes seconds

    with _work_dir(arguments.out) as work:
        base = _hf_checkpoint(arguments.base, work)
        progress = LogProgress("Merging", "tensors")
        with room_for(work.parent, base.size):  # The folder comes last, a disk too small for it is known before.
            adapter = peft_adapter(arguments.adapter, work)
            result = merge(base, adapter, work, progress=progress, durable=False)
        compare = partial(prove_logits, base, adapter, work_dir=work, sequences=arguments.check)
        return _finish(result.checkpoint, arguments.out, work, {"proof": result.proof}, compare)


def run_normalise(arguments: argparse.Namespace) -> Outcome:
    """Write a Hugging Face model with metadata that Bedrock's transformers reads."""
    from include.checkpoint.casting import cast  # imports torch, which takes seconds

    with _work_dir(arguments.out) as work:
        checkpoint = _hf_checkpoint(arguments.source, work)
        if arguments.dtype != "keep":
            progress = LogProgress("Rounding")
            checkpoint = cast(checkpoint, work, arguments.dtype, progress=progress, durable=False)
        return _finish(checkpoint, arguments.out, work, {})


def _hf_checkpoint(location: str, work: Path) -> Checkpoint:
    if kind_of(location) in CONVERTED:
        return convert(location, work, progress=LogProgress("Converting", "tensors"), durable=False)
    # Before anything else: an adapter names tensors without a wrapper's prefix, and stale shards hold tensors twice.
    return normalise(checkpoint_of_folder(location), work / "source")


def _finish(
    checkpoint: Checkpoint, out: Path, work: Path, more: dict[str, Any], compare: Compare | None = None
) -> Outcome:
    """Normalise, write the folder, and say what validation finds in it, and what comparing its logits does."""
    checkpoint = normalise(checkpoint, work)
    TRANSFORMERS_PROCESS.start()  # its imports take seconds, which can pass while files are written
    materialize(checkpoint, out, progress=LogProgress("Writing files"))
    with ThreadPoolExecutor(1) as pool:
        comparing = pool.submit(compare, merged=out) if compare else None
        report = validate(checkpoint_of_folder(out))
    said = {"out": str(out), "notes": checkpoint.notes, "validation": report.model_dump(mode="json"), **more}
    lines = [*checkpoint.notes, *(f"error: {record.line()}" for record in report.errors)]
    lines += [f"warning: {record.line()}" for record in report.warnings]
    differs = _compared(comparing, said, lines) if comparing else False
    shutil.rmtree(work, ignore_errors=True)
    return DEFECTS if report.errors or differs else GOOD, said, [*lines, f"{out}: {report.summary}"]


def _compared(comparing: Future[LogitsProof], said: dict[str, Any], lines: list[str]) -> bool:
    """Add the comparison to the proof and to the lines; return whether the merged model is another than the trained."""
    try:
        proof = comparing.result()
    except ModelImportError as error:  # the folder is written, so this is a defect of it
        said |= {"error": type(error).__name__, "message": str(error)}
        lines.append(f"error: {type(error).__name__}: {error}")
        return True
    said["proof"] |= {"logits": proof.record()}
    lines.append(proof.summary())
    return False


@contextmanager
def _work_dir(out: Path) -> Iterator[Path]:
    """Yield the working directory for ``out``; an ``out`` that exists is refused before any work."""
    work = out.absolute().with_name(out.name + WORK_SUFFIX)
    if out.exists():
        shutil.rmtree(work, ignore_errors=True)  # of a run that was killed when its folder was whole
        raise OutputExistsError(str(out.absolute()))
    try:
        with named_when_full(work.parent):
            yield work
    except (DiskFilledError, DiskFullError):
        shutil.rmtree(work, ignore_errors=True)
        raise


def _reader(location: str) -> RangeReader:
    if not is_s3_uri(location):
        return UriReader()
    import boto3

    return UriReader(boto3.client("s3"))


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
