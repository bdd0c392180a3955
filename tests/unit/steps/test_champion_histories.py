"""Random histories of one model: the champion at the end is one that its changes give when they happen one by one.

The real code of steps, registry and retention runs; only the account is a fake, and the order of its calls is drawn.
``CHAMPION_HISTORIES`` is how many histories are played.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from include.registry import leases
from tests.support.champion_histories import History, WrongHistoryError

HISTORIES = int(os.environ.get("CHAMPION_HISTORIES", "100"))


def play(seeds: Iterable[int], monkeypatch: pytest.MonkeyPatch, *, studio: bool = True) -> None:
    for seed in seeds:
        History(seed, monkeypatch, studio=studio).play()


def test_every_history_ends_with_a_champion_of_a_serial_order(monkeypatch: pytest.MonkeyPatch) -> None:
    play(range(HISTORIES), monkeypatch)


@contextmanager
def no_lease(*_: object) -> Iterator[SimpleNamespace]:
    yield SimpleNamespace(check=lambda: None)


def test_without_the_lease_a_history_ends_with_a_wrong_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "hold_lease", no_lease)
    with pytest.raises(WrongHistoryError):
        play(range(500), monkeypatch, studio=False)
