"""Applications call the champion while promotions and roll backs switch it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from include.config.model import RetentionConfig
from include.consumer import Champion
from include.publishing.errors import CanaryFailedError
from include.publishing.pointer import read_pointer
from include.retention.retiring import retire_after_promotion
from tests.support.bedrock_stand_in import Aws
from tests.support.promotion_runs import Runs
from tests.support.switching import calls_of, canary_begun, promoted, promoted_own, published, session, watched

BODY = {"prompt": "Hello", "max_tokens": 1}
#: Retention that keeps the champion alone, so that only the pointer's grace period protects the former one.
STRICT = RetentionConfig(keep=0, younger_than_days=0)


class Look(NamedTuple):
    """What pointer and registry named, read between two times."""

    began: float
    ended: float
    pointed: int | None
    champion: int | None


class Switches:
    """Promotions and roll backs of one model, each followed by the tasks that follow in its DAG."""

    def __init__(self, runs: Runs, arn: str) -> None:
        self._runs = runs
        self._number = 0
        self.changing: list[tuple[float, float]] = []
        with self._switch():
            promoted_own(runs, arn)

    def promote(self, arn: str) -> None:
        """Promote another model; then publish it, and retire what the policy does not keep."""
        with self._switch():
            promoted_own(self._runs, arn)
        retire_after_promotion(self._runs.clients, self._runs.group, STRICT, datetime.now(UTC))

    def roll_back(self) -> None:
        """Make the first version the champion, and publish it."""
        with self._switch():
            self._runs.roll_back(1)

    def take_back_a_canary(self, aws: Aws, arn: str) -> None:
        """Promote a third model, all of whose calls fail; look at its canary until the promotion is taken back."""
        began = time.monotonic()
        promoted(self._runs, arn)
        publication = canary_begun(self._runs, "canary")
        self.changing.append((began, time.monotonic()))
        aws.script("fail-calls", seconds=60, operation="InvokeModel", model=arn, code="ModelErrorException")
        try:
            while time.monotonic() < began + 60:
                began_look = time.monotonic()
                watched(self._runs, publication, "canary")
                time.sleep(0.2)
        except CanaryFailedError:
            self.changing.append((began_look, time.monotonic()))
            return
        finally:
            aws.script("clear-faults")
        raise TimeoutError(arn)

    @contextmanager
    def _switch(self) -> Iterator[None]:
        began, self._number = time.monotonic(), self._number + 1
        yield
        assert published(self._runs, f"switch {self._number}").changed
        self.changing.append((began, time.monotonic()))

    def look(self) -> Look:
        began = time.monotonic()
        pointer = read_pointer(self._runs.clients.ssm, self._runs.group)
        champion = self._runs.champion()
        named = pointer.canary.champion if pointer and pointer.canary else pointer
        return Look(began, time.monotonic(), named.version if named else None, champion)

    def disagreements(self, looks: list[Look]) -> list[Look]:
        """The looks outside of a change and the one task after it, by which pointer and registry disagreed."""
        return [
            look
            for look in looks
            if look.pointed != look.champion
            and not any(began <= look.ended and look.began <= ended for began, ended in self.changing)
        ]


@pytest.mark.parametrize("calls", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_call_fails_while_promotions_and_roll_backs_switch_the_champion(
    calls: int, aws: Aws, runs: Runs, own_arns: tuple[str, str]
) -> None:
    switches = Switches(runs, own_arns[0])
    champion = Champion(runs.group, believed_seconds=0.1, session=session(aws))

    def ask() -> str:
        assert champion.ask(BODY, seconds=5)["choices"]
        return str(champion.pointer()["imported_model_arn"])

    with calls_of(_paced(switches.look), threads=1) as looks, calls_of(ask) as applications:
        while applications.count < calls or len(switches.changing) < 3:
            switches.promote(own_arns[1])
            switches.roll_back()
    assert applications.failed == []
    assert set(applications.answers) == set(own_arns)
    assert looks.failed == []
    assert switches.disagreements(looks.answers) == []


@pytest.mark.parametrize("calls", [10, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_call_fails_while_a_canary_fails_and_is_taken_back(
    calls: int, aws: Aws, runs: Runs, own_arn: str, arns: tuple[str, str]
) -> None:
    switches = Switches(runs, own_arn)
    champion = Champion(runs.group, believed_seconds=0.1, session=session(aws))
    with (
        calls_of(_paced(switches.look), threads=1) as looks,
        calls_of(lambda: champion.ask(BODY, seconds=5)) as applications,
    ):
        switches.take_back_a_canary(aws, arns[1])
        while applications.count < calls:
            time.sleep(0.1)
    assert applications.failed == []
    assert looks.failed == []
    assert switches.disagreements(looks.answers) == []
    assert switches.look()[2:] == (1, 1)


def _paced(look: Callable[[], Any]) -> Callable[[], Any]:
    def paced() -> Any:
        time.sleep(0.1)
        return look()

    return paced
