"""The extreme of a large model: every linear layer changed, planned from headers without a byte of the weights."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.delivery_run import BUCKET
from benchmarks.large_models_shapes import LargeModel, write
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.reading import LOCAL
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment
from include.checkpoint.lora.adapter import read_adapter
from include.checkpoint.lora.fitting import Fitted, fit
from include.checkpoint.lora.lora_math import row_blocks
from include.checkpoint.lora.merge_plan import MergePlan, TensorChange
from include.checkpoint.lora.tensor_writer import size_of
from include.delivery.derivation import WholeObject, by_start, derive
from include.delivery.transfer import TransferSettings
from include.delivery.upload_plan import UploadPlan, plan_upload

OVERLAY = "/workspace/merge.overlay"


@dataclass(frozen=True)
class Planned:
    """The plan of a model all of whose linear layers change; ``read`` are the base's ranges that its merge reads."""

    merged: Checkpoint
    read: tuple[Segment, ...]
    upload: UploadPlan

    def figures(self) -> dict[str, Any]:
        """Return counts, and sizes in bytes."""
        parts = [part for file in self.upload.files for part in file.parts]
        checkpoint, read = json.dumps(asdict(self.merged)), json.dumps([asdict(it) for it in self.read])
        return {
            "bytes": self.merged.size,
            "bytes_sent": sum(part.length for part in parts if not part.copied),
            "bytes_copied": sum(part.length for part in parts if part.copied),
            "parts": len(parts),
            "most_parts": max(len(file.parts) for file in self.upload.files),
            "largest_sent": max(part.length for part in parts if not part.copied),
            "largest_copied": max((part.length for part in parts if part.copied), default=0),
            "ranges_read": len(self.read),
            "checkpoint_json": len(checkpoint),
            "ranges_json": len(read),
        }


def plan_everything(model: LargeModel, work: Path) -> dict[str, Any]:
    """Plan merge and upload with a LoRA on every linear layer, derive the checksums; return figures and seconds."""
    files = model.objects()
    write(files, work / "base")
    write(model.full_adapter(), work / "adapter")
    started = time.monotonic()
    planned = plan_of(work)
    bases = {name: WholeObject(f"s3://{BUCKET}/{name}", it.size, it.crc64nvme) for name, it in files.items()}
    ranges = by_start(planned.read)
    derived = [derive(file, bases[file.name], ranges) for file in planned.merged.files]
    if None in derived:
        raise RuntimeError("a file's checksum was not derived")
    return {**planned.figures(), "seconds": time.monotonic() - started}


def plan_of(work: Path) -> Planned:
    """Plan for the files in ``work/base``, as if they were in S3, and the adapter in ``work/adapter``."""
    base = checkpoint_of_folder(work / "base")
    fitted = fit(read_adapter(work / "adapter"), base, LOCAL)
    plan = fitted.plan(fitted.adapter)
    written, read = _written(fitted, plan), tuple(_read(fitted, plan))
    merged = replace(base, files=tuple(_merged(file, written) for file in base.files))
    return Planned(merged, read, plan_upload(merged, (), TransferSettings().part_size, {}))


def _in_base_order(fitted: Fitted, plan: MergePlan) -> Iterator[tuple[TensorChange, Segment]]:
    """Yield each change with the range that it replaces, as the merge writes them."""
    found = [(change, fitted.tensors[change.source].segments()[0]) for change in plan.changes.values()]
    yield from sorted(found, key=lambda it: (it[1].uri, it[1].offset))


def _written(fitted: Fitted, plan: MergePlan) -> dict[Segment, Segment]:
    written, position = {}, 0
    for change, before in _in_base_order(fitted, plan):
        written[before] = Segment(uri=OVERLAY, offset=position, length=size_of(change), crc64nvme=position)
        position += size_of(change)
    return written


def _read(fitted: Fitted, plan: MergePlan) -> Iterator[Segment]:
    for change, before in _in_base_order(fitted, plan):
        row = before.length // change.shape[0]
        for start, rows in row_blocks(change.shape):
            yield replace(_in_s3(before), offset=before.offset + start * row, length=rows * row, crc64nvme=start)


def _merged(file: CheckpointFile, written: dict[Segment, Segment]) -> CheckpointFile:
    return replace(file, segments=tuple(written.get(it) or _in_s3(it) for it in file.segments))


def _in_s3(segment: Segment) -> Segment:
    return replace(segment, uri=f"s3://{BUCKET}/{Path(segment.uri).name}")
