"""Each AWS call site of an import meets a transient answer once; tests/long/calls does so with every kind.

Here preflight is left out, which is tried again for each of its calls: tests/integration/preflight has its faults.
"""

from __future__ import annotations

import pytest

from model_import_dag.runs import PREFLIGHT
from tests.support.call_faults import CallFaults, OnceEach
from tests.support.model_life import ModelLife
from tests.support.runner import Runner


def test_an_import_whose_every_call_fails_once_ends_right_and_makes_nothing_twice(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.connect(monkeypatch, config_kwargs={"retries": {"total_max_attempts": 1}})
    life = ModelLife(runner, "team-unlucky", CallFaults(OnceEach(turn=0, but_not=frozenset({PREFLIGHT}))))
    with life.faults.watching():
        done = life.import_first()
    assert life.wrong == []
    assert done["record_answer"]["status"] == "Approved"
    assert life.faults.injected.keys() == {call for call in life.faults.seen if call.task != PREFLIGHT}
    life.assert_nothing_was_made_twice()
