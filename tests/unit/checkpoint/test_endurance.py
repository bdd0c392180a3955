"""A small part of the fuzzing and of the killed runs; the whole is in ``tests/support/checkpoint_endurance.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checkpoint_endurance import fuzz
from tests.support.checkpoint_kills import kill_at_random
from tests.support.endurance_inputs import KILL_CASES
from tests.support.fuzz_inputs import fuzz_cases


def test_damaged_inputs_end_in_a_named_error_or_a_report(tmp_path: Path) -> None:
    result = fuzz(fuzz_cases(tmp_path), 100, seed=1)

    assert (result.crashes, result.hangs) == ([], [])
    assert result.named_errors.total() + result.reports.total() == 100
    assert len(result.reports) + len(result.named_errors) > 15


@pytest.mark.parametrize("case", KILL_CASES)
@pytest.mark.slow
def test_a_killed_run_leaves_nothing_that_the_next_takes_for_done(case: str, tmp_path: Path) -> None:
    assert kill_at_random(KILL_CASES[case](tmp_path), 1, seed=2).killed == 1
