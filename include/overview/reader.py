"""Read everything that the page shows from AWS, cached with a time to live."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from include.aws.clients import AwsClients
from include.aws.imported_models import model_summaries
from include.aws.transient import has_expired
from include.config.account import CONNECTION_FIELDS, AccountConfig
from include.config.files import read_model_files
from include.overview.account import Account, read_account
from include.overview.heat_map import HeatMap, read_heat_map
from include.overview.memory import Memory, Reading
from include.overview.outlook import read_plan
from include.overview.standing import Standing, read_standing
from include.retention.policies import read_policies
from include.retention.selection import RetirementPlan
from include.run.names import model_name_of

log = logging.getLogger(__name__)

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
MOST_CONNECTIONS = 20


class OverviewReader:
    """Read with the clients that ``connect`` creates, recreated periodically since credentials expire."""

    def __init__(
        self,
        connect: Callable[[AccountConfig | None], AwsClients],
        models_folder: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._models_folder = models_folder
        self._clock = clock
        self._clients = Memory(MOST_CONNECTIONS, clock)
        self._files = Memory(1, clock)
        self._rows = Memory(MOST_ROWS, clock)
        self._pages = Memory(MOST_PAGES, clock)

    def clients(self, model_name: str | None = None) -> AwsClients:
        """Return the clients of a model's own connection and region, or those of models without a file."""
        own = self._own_accounts().get(model_name) if model_name else None
        key = tuple(getattr(own, field) for field in CONNECTION_FIELDS) if own else None
        return self._clients.read(key, CLIENTS_TTL, lambda: self._connect(own)).value

    def ask(self, question: Callable[[AwsClients], Value], model_name: str | None = None) -> Value:
        """Return the answer; asks again with new clients when the credentials of the old ones have expired."""
        try:
            return question(self.clients(model_name))
        except Exception as error:
            if not has_expired(error):
                raise
            self._clients = Memory(MOST_CONNECTIONS, self._clock)
            return question(self.clients(model_name))

    def _own_accounts(self) -> Mapping[str, AccountConfig]:
        """Return the settings of the models whose files name a connection or region of their own."""

        def ask() -> dict[str, AccountConfig]:
            configs = read_model_files(self._models_folder).configs  # Airflow itself reports broken files
            own = {name: config.account for name, config in configs.items()}
            return {name: account for name, account in own.items() if account.model_fields_set & {*CONNECTION_FIELDS}}

        return self._files.read("files", ACCOUNT_TTL, ask).value

    def account(self, refresh: bool = False) -> Reading[Account]:
        """Return the account's models, versions and jobs; models with another connection or region are added."""

        def ask(clients: AwsClients) -> Account:
            account = read_account(clients, self._models_folder)
            here = set(account.occupancy.imported)
            elsewhere = [name for _, names in self._elsewhere(_imported_names) for name in names if name not in here]
            return account.model_copy(update={"elsewhere": tuple(elsewhere)})

        return self._read(self._rows, "account", _age(ACCOUNT_TTL, refresh), ask)

    def _elsewhere(self, ask: Callable[[AwsClients, str], Value]) -> Iterator[tuple[str, Value]]:
        """Yield what each model with a connection or region of its own answers; a failure is logged.

        A connection that only one model uses must not take the page away.
        """
        for model_name in self._own_accounts():
            try:
                yield model_name, ask(self.clients(model_name), model_name)
            except Exception:  # whatever it is, see above
                log.warning("%s could not be read by the connection of its file", model_name, exc_info=True)

    def row(self, group: str, refresh: bool = False) -> Reading[Standing]:
        """Return a model's newest versions and champion."""
        return self._read(
            self._rows,
            ("row", group),
            _age(STANDING_TTL, refresh),
            lambda clients: read_standing(clients.sagemaker, group, ROW_VERSIONS),
            group,
        )

    def page(self, group: str, refresh: bool = False) -> Reading[Standing]:
        """Return more of a model's versions, and its champion."""
        return self._read(
            self._pages,
            group,
            _age(STANDING_TTL, refresh),
            lambda clients: read_standing(clients.sagemaker, group, PAGE_VERSIONS),
            group,
        )

    def heat_map(self, group: str, metric: str, refresh: bool = False) -> Reading[HeatMap]:
        """Return the scores of a model's newest versions by category."""
        versions = self.page(group, refresh).value.versions
        newest = versions[0].number if versions else 0

        def ask(clients: AwsClients) -> HeatMap:
            return read_heat_map(clients.s3, group, versions, metric)

        return self._read(self._pages, ("heat map", group, metric, newest), HEAT_MAP_TTL, ask, group)

    def plan(self, refresh: bool = False) -> Reading[RetirementPlan]:
        """Return what retention would do, by the models' files; a model that comes or goes is seen at once."""
        imported = self.account(refresh).value.occupancy.imported

        def ask(clients: AwsClients) -> RetirementPlan:
            policies, now = read_policies(self._models_folder), datetime.now(UTC)
            others = self._elsewhere(lambda own, model_name: read_plan(own, policies, now, model_name))
            return read_plan(clients, policies, now).with_others(plan for _, plan in others)

        return self._read(self._rows, ("plan", imported), _age(PLAN_TTL, refresh), ask)

    def _read(
        self,
        memory: Memory,
        key: Hashable,
        max_age: float,
        ask: Callable[[AwsClients], Value],
        model_name: str | None = None,
    ) -> Reading[Value]:
        return memory.read(key, max_age, lambda: self.ask(ask, model_name))


def _age(ttl: float, refresh: bool) -> float:
    return REFRESH_AGE if refresh else ttl


def _imported_names(clients: AwsClients, model_name: str) -> list[str]:
    names = [summary["modelName"] for summary in model_summaries(clients.bedrock, f"{model_name}-")]
    return [name for name in names if model_name_of(name) == model_name]
