from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
from botocore.exceptions import ClientError

from include.aws.clients import AwsClients
from include.overview import reader as module
from include.overview.account import Account
from include.overview.reader import OverviewReader
from include.overview.standing import Standing
from include.retention.occupancy import Occupancy

#: By what is read: the function that asks AWS, and for how many seconds at most the reading is shown.
KINDS = {"account": ("read_account", 60), "row": ("read_standing", 60), "page": ("read_standing", 60)}


EMPTY = Account(
    **{"region_name": "us-east-1", "endpoint_url": "http://127.0.0.1:9", "runtime_url": "http://127.0.0.1:9"},
    **{"configs": {}, "groups": (), "jobs": (), "occupancy": Occupancy(imported=(), running=(), quota=3)},
)
ANSWERS = {"read_account": EMPTY, "read_standing": Standing(versions=(), champion=None)}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def build_reader(function: str, monkeypatch: pytest.MonkeyPatch) -> tuple[OverviewReader, Clock, Any]:
    asked = create_autospec(getattr(module, function), return_value=ANSWERS[function])
    monkeypatch.setattr(module, function, asked)
    clock = Clock()
    return OverviewReader(lambda _: AwsClients(lambda _: None), Path("no such folder"), clock), clock, asked


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_after_a_run_is_shown_within_a_minute(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, longest = KINDS[kind]
    reader, clock, asked = build_reader(function, monkeypatch)
    names = () if kind == "account" else ("capitals",)
    getattr(reader, kind)(*names)
    getattr(reader, kind)(*names)
    assert asked.call_count == 1
    clock.now = longest
    getattr(reader, kind)(*names)
    assert asked.call_count == 2


def test_clients_whose_credentials_have_expired_are_replaced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    expired = ClientError({"Error": {"Code": "ExpiredToken"}}, "ListModelPackages")
    asked = create_autospec(
        module.read_standing, side_effect=[expired, Standing(versions=(), champion=None), ValueError("no")]
    )
    monkeypatch.setattr(module, "read_standing", asked)
    made: list[AwsClients] = []

    def connect(_: object) -> AwsClients:
        made.append(AwsClients(lambda _: object()))
        return made[-1]

    reader = OverviewReader(connect, Path())
    assert reader.row("capitals").error == ""
    assert len(made) == 2
    with pytest.raises(ValueError, match="no"):
        reader.row("lakes")
    assert len(made) == 2


def test_a_refresh_asks_again_but_not_all_the_time_however_many_viewers_refresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, clock, asked = build_reader("read_standing", monkeypatch)
    for _ in range(100):
        reader.row("capitals", refresh=True)
    assert asked.call_count == 1
    clock.now = module.REFRESH_AGE + 0.1
    for _ in range(100):
        reader.row("capitals", refresh=True)
    assert asked.call_count == 2
