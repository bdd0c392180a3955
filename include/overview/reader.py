"""Everything that the page reads from AWS, each thing remembered for as long as it is worth showing."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from include.overview.account import Account, OverviewClients, read_account
from include.overview.memory import Memory, Reading
from include.overview.outlook import read_plan
from include.overview.standing import Standing, read_standing
from include.retention.policies import read_policies
from include.retention.selection import RetirementPlan

Value = TypeVar("Value")
#: Of a model in the list, and of a model on its own page.
ROW_VERSIONS, PAGE_VERSIONS = 30, 500
#: Seconds for which something may be shown: jobs move, registered versions seldom do.
ACCOUNT_AGE, STANDING_AGE, PLAN_AGE, CLIENTS_AGE = 60.0, 300.0, 600.0, 600.0
#: A row holds 30 versions, a page 500: some 60 kB and 1 MB.
MOST_ROWS, MOST_PAGES = 300, 20


#: How many rows a server reads before anybody asks: more than a screen shows.
FIRST_ROWS = 24


class Wish(NamedTuple):
    """How fresh something has to be: at most ``max_age`` seconds old, or, if ``known``, as it was read last."""

    max_age: float | None = None
    known: bool = False


USUAL = Wish()
KNOWN = Wish(known=True)


class OverviewReader:
    """Reads with the clients that ``connect`` creates; they are recreated now and then, since credentials change."""

    def __init__(self, connect: Callable[[], OverviewClients], models_folder: Path) -> None:
        self._connect = connect
        self._models_folder = models_folder
        self._clients = Memory(most=1)
        self._rows = Memory(most=MOST_ROWS)
        self._pages = Memory(most=MOST_PAGES)

    def clients(self) -> OverviewClients:
        """Return the clients."""
        return self._clients.read("clients", CLIENTS_AGE, self._connect).value

    def account(self, wish: Wish = USUAL) -> Reading[Account]:
        """Return what the account holds."""
        ask = partial(self._with_clients, lambda clients: read_account(clients, self._models_folder))
        return _read(self._rows, "account", ACCOUNT_AGE, wish, ask)

    def known_account(self) -> Reading[Account] | None:
        """Return what ``account`` returns if that takes no question, or None; it may be ``old``."""
        return self._rows.known("account", ACCOUNT_AGE)

    def row(self, group: str, wish: Wish = USUAL) -> Reading[Standing]:
        """Return a model's newest versions and champion."""
        ask = partial(self._with_clients, lambda clients: read_standing(clients.sagemaker, group, ROW_VERSIONS))
        return _read(self._rows, ("row", group), STANDING_AGE, wish, ask)

    def known_row(self, group: str, wish: Wish = USUAL) -> Reading[Standing] | None:
        """Return what ``row`` returns if that takes no question, or None; it may be ``old``."""
        return self._rows.known(("row", group), _age(wish, STANDING_AGE))

    def page(self, group: str, wish: Wish = USUAL) -> Reading[Standing]:
        """Return more of a model's versions, and its champion."""
        ask = partial(self._with_clients, lambda clients: read_standing(clients.sagemaker, group, PAGE_VERSIONS))
        return _read(self._pages, ("page", group), STANDING_AGE, wish, ask)

    def plan(self, wish: Wish = USUAL) -> Reading[RetirementPlan]:
        """Return what retention would do, by the models' files."""

        def ask(clients: OverviewClients) -> RetirementPlan:
            return read_plan(clients, read_policies(self._models_folder), datetime.now(UTC))

        return _read(self._rows, "plan", PLAN_AGE, wish, partial(self._with_clients, ask))

    def read_ahead(self) -> None:
        """Read what the first visitor will see first, one thing after the other."""
        for name in self.account().value.model_names[:FIRST_ROWS]:
            self.row(name)

    def _with_clients(self, ask: Callable[[OverviewClients], Value]) -> Value:
        return ask(self.clients())


def _read(memory: Memory, key: Hashable, usual: float, wish: Wish, ask: Callable[[], Value]) -> Reading[Value]:
    last: Reading[Value] | None = memory.known(key, usual) if wish.known else None
    return last or memory.read(key, _age(wish, usual), ask)


def _age(wish: Wish, usual: float) -> float:
    return usual if wish.max_age is None else min(wish.max_age, usual)
