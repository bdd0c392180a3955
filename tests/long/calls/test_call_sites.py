"""Every AWS call site of the project meets every transient answer once, and the run ends right.

A call site is a service, an operation and the task that calls it; a life of a model in which nothing fails shows which
there are. Each of the turns is another life, in which each call site meets one kind of answer at its first call, and
botocore does not try again by itself. In all turns together, each meets every kind.
"""

from __future__ import annotations

import logging
from collections import defaultdict

import pytest

from tests.support.call_faults import KINDS, Call, CallFaults, OnceEach
from tests.support.model_life import ModelLife
from tests.support.runner import Runner

pytestmark = pytest.mark.timeout(3600)
log = logging.getLogger(__name__)
ENOUGH = 0.95
MET: defaultdict[Call, set[str]] = defaultdict(set)


@pytest.fixture(autouse=True)
def one_attempt(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each failing request comes to the project's own code."""
    runner.connect(monkeypatch, config_kwargs={"retries": {"total_max_attempts": 1}})


def live(runner: Runner, name: str, faults: CallFaults) -> ModelLife:
    life = ModelLife(runner, name, faults)
    with faults.watching():
        life.live()
    return life


@pytest.fixture(scope="module")
def call_sites() -> set[Call]:
    return set()


def test_a_life_in_which_nothing_fails_shows_the_call_sites(runner: Runner, call_sites: set[Call]) -> None:
    life = live(runner, "team-calm", CallFaults())
    assert life.wrong == []
    life.assert_nothing_was_made_twice()
    call_sites.update(life.faults.seen)
    life.end()


@pytest.mark.parametrize("turn", range(len(KINDS)))
def test_a_life_in_which_each_call_site_fails_once_ends_right(runner: Runner, turn: int) -> None:
    faults = CallFaults(OnceEach(turn))
    life = live(runner, f"team-turn-{turn}", faults)
    for call, kind in faults.injected.items():
        MET[call].add(kind)
    assert life.wrong == []
    life.assert_nothing_was_made_twice()
    life.end()


def test_nearly_every_call_site_has_met_every_transient_answer(call_sites: set[Call]) -> None:
    missed = {call: sorted(set(KINDS) - MET[call]) for call in sorted(call_sites) if MET[call] != set(KINDS)}
    log.warning("%d call sites; these did not meet %s: %s", len(call_sites), ", ".join(KINDS), missed)
    assert call_sites
    assert len(missed) <= (1 - ENOUGH) * len(call_sites)
