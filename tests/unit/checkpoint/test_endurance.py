"""A small part of the fuzzing and of the killed runs; the whole is in ``benchmarks/checkpoint_endurance.py``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.checkpoint_endurance import fuzz, kill_at_random
from tests.unit.checkpoint.endurance_inputs import Case, convert_case, fuzz_folder, merge_case


def test_damaged_inputs_end_in_a_named_error_or_a_report(tmp_path: Path) -> None:
    result = fuzz(fuzz_folder(tmp_path), 400, seed=1)

    assert result.crashes == []
    assert result.slowest_seconds < 5
    assert len(result.outcomes) > 15


@pytest.mark.parametrize("case", [merge_case, convert_case])
def test_a_killed_run_leaves_nothing_that_the_next_takes_for_done(case: Callable[[Path], Case], tmp_path: Path) -> None:
    work, check = case(tmp_path)

    assert kill_at_random(work, check, 6, seed=2) > 0
