"""Everything that the page reads from AWS, each kind of reading kept for a time to live."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from include.aws.clients import AwsClients
from include.overview.account import Account, read_account
from include.overview.heat_map import HeatMap, read_heat_map
from include.overview.memory import Memory, Reading
from include.overview.outlook import read_plan
from include.overview.standing import Standing, read_standing
from include.retention.policies import read_policies
from include.retention.selection import RetirementPlan

Value = TypeVar("Value")
#: Of a model in the list, and of a model on its own page.
ROW_VERSIONS, PAGE_VERSIONS = 30, 500
#: Times to live in seconds. A finished run shows in all of them: the longer they are, the longer they contradict each
#: other. The plan takes two calls per imported model.
ACCOUNT_TTL, STANDING_TTL, PLAN_TTL, CLIENTS_TTL = 15.0, 15.0, 60.0, 600.0
#: Reports of versions do not change; a new version has another heat map.
HEAT_MAP_TTL = 600.0
#: A refresh asks AWS again when the reading is older than this, in seconds, whoever asked for it.
REFRESH_AGE = 5.0
#: A row holds 30 versions, a page 500: some 60 kB and 1 MB.
MOST_ROWS, MOST_PAGES = 300, 20


class OverviewReader:
    """Reads with the clients that ``connect`` creates; they are recreated now and then, since credentials change."""

    def __init__(
        self,
        connect: Callable[[], AwsClients],
        models_folder: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._models_folder = models_folder
        self._clients = Memory(1, clock)
        self._rows = Memory(MOST_ROWS, clock)
        self._pages = Memory(MOST_PAGES, clock)

    def clients(self) -> AwsClients:
        """Return the clients."""
        return self._clients.read("clients", CLIENTS_TTL, self._connect).value

    def account(self, refresh: bool = False) -> Reading[Account]:
        """Return what the account holds."""

        def ask(clients: AwsClients) -> Account:
            return read_account(clients, self._models_folder)

        return self._read(self._rows, "account", _age(ACCOUNT_TTL, refresh), ask)

    def row(self, group: str, refresh: bool = False) -> Reading[Standing]:
        """Return a model's newest versions and champion."""
        return self._read(
            self._rows,
            ("row", group),
            _age(STANDING_TTL, refresh),
            lambda clients: read_standing(clients.sagemaker, group, ROW_VERSIONS),
        )

    def page(self, group: str, refresh: bool = False) -> Reading[Standing]:
        """Return more of a model's versions, and its champion."""
        return self._read(
            self._pages,
            group,
            _age(STANDING_TTL, refresh),
            lambda clients: read_standing(clients.sagemaker, group, PAGE_VERSIONS),
        )

    def heat_map(self, group: str, metric: str, refresh: bool = False) -> Reading[HeatMap]:
        """Return the scores of a model's newest versions by category."""
        versions = self.page(group, refresh).value.versions
        newest = versions[0].number if versions else 0

        def ask(clients: AwsClients) -> HeatMap:
            return read_heat_map(clients.s3, group, versions, metric)

        return self._read(self._pages, ("heat map", group, metric, newest), HEAT_MAP_TTL, ask)

    def plan(self, refresh: bool = False) -> Reading[RetirementPlan]:
        """Return what retention would do, by the models' files; a model that comes or goes is seen at once."""
        imported = self.account(refresh).value.occupancy.imported

        def ask(clients: AwsClients) -> RetirementPlan:
            return read_plan(clients, read_policies(self._models_folder), datetime.now(UTC))

        return self._read(self._rows, ("plan", imported), _age(PLAN_TTL, refresh), ask)

    def _read(
        self, memory: Memory, key: Hashable, max_age: float, ask: Callable[[AwsClients], Value]
    ) -> Reading[Value]:
        return memory.read(key, max_age, lambda: ask(self.clients()))


def _age(ttl: float, refresh: bool) -> float:
    return REFRESH_AGE if refresh else ttl
