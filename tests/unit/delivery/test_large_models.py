"""The largest model that Bedrock takes, planned from headers alone; in full: python -m benchmarks.large_models."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.large_models_plan import plan_of
from benchmarks.large_models_shapes import MODELS, write
from include.delivery.parts import COPY_PART_SIZE, MAX_PARTS, MIN_PART_SIZE
from include.delivery.transfer import TransferSettings

MIB = 2**20


def test_a_plan_that_changes_every_linear_layer_of_190_gb_in_one_file_is_small_and_within_s3s_limits(
    tmp_path: Path,
) -> None:
    model = MODELS["llama-190gb-1-file"]
    write(model.objects(), tmp_path / "base")
    write(model.full_adapter(), tmp_path / "adapter")
    tracemalloc.start()
    try:
        planned = plan_of(tmp_path)
        memory = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert planned.merged.size > 189 * 10**9
    assert len(json.dumps(asdict(planned.merged))) < MIB
    assert memory < 50 * MIB
    for file in planned.upload.files:
        assert sum(part.length for part in file.parts) == file.size
        assert len(file.parts) <= MAX_PARTS
        assert all(part.length >= MIN_PART_SIZE for part in file.parts[:-1])
        assert all(part.length <= COPY_PART_SIZE for part in file.parts if part.copied)
    sent = [part.length for file in planned.upload.files for part in file.parts if not part.copied]
    assert sum(sent) == pytest.approx(184.8e9, rel=0.001)
    # Twice, where a part is joined of several ranges.
    assert 2 * max(sent) * TransferSettings().workers < 350 * MIB
