"""Everything that the page reads from AWS, each thing remembered for as long as it is worth showing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from include.overview.account import Account, OverviewClients, read_account
from include.overview.memory import Memory, Reading
from include.overview.outlook import read_plan
from include.overview.standing import Standing, read_standing
from include.retention.planning import RetirementPlan
from include.retention.policies import read_policies

#: Of a model in the list, and of a model on its own page.
ROW_VERSIONS, PAGE_VERSIONS = 30, 500
#: Seconds for which something may be shown: jobs move, registered versions seldom do.
ACCOUNT_AGE, STANDING_AGE, PLAN_AGE, CLIENTS_AGE = 60.0, 300.0, 600.0, 600.0
#: A row holds 30 versions, a page 500: some 60 kB and 1 MB.
MOST_ROWS, MOST_PAGES = 300, 20


class OverviewReader:
    """Reads by way of the clients that ``connect`` makes; they are made anew now and then, as credentials change."""

    def __init__(self, connect: Callable[[], OverviewClients], models_folder: Path) -> None:
        self._connect = connect
        self._models_folder = models_folder
        self._clients = Memory(most=1)
        self._rows = Memory(most=MOST_ROWS)
        self._pages = Memory(most=MOST_PAGES)

    def clients(self) -> OverviewClients:
        """Return the clients."""
        return self._clients.read("clients", CLIENTS_AGE, self._connect).value

    def account(self, max_age: float | None = None) -> Reading[Account]:
        """Return what the account holds, read at most ``max_age`` seconds ago."""
        clients, folder = self.clients(), self._models_folder
        return self._rows.read("account", _age(max_age, ACCOUNT_AGE), lambda: read_account(clients, folder))

    def row(self, group: str, max_age: float | None = None) -> Reading[Standing]:
        """Return a model's newest versions and champion."""
        sagemaker = self.clients().sagemaker
        age = _age(max_age, STANDING_AGE)
        return self._rows.read(("row", group), age, lambda: read_standing(sagemaker, group, ROW_VERSIONS))

    def page(self, group: str, max_age: float | None = None) -> Reading[Standing]:
        """Return more of a model's versions, and its champion."""
        sagemaker = self.clients().sagemaker
        age = _age(max_age, STANDING_AGE)
        return self._pages.read(("page", group), age, lambda: read_standing(sagemaker, group, PAGE_VERSIONS))

    def plan(self, max_age: float | None = None) -> Reading[RetirementPlan]:
        """Return what retention would do, by the models' files."""
        clients, folder = self.clients(), self._models_folder

        def ask() -> RetirementPlan:
            return read_plan(clients, read_policies(folder), datetime.now(UTC))

        return self._rows.read("plan", _age(max_age, PLAN_AGE), ask)


def _age(asked: float | None, usual: float) -> float:
    return usual if asked is None else min(asked, usual)
