"""A lease in S3: who holds it, who waits, and what becomes of a holder that was killed or too slow."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from include.aws import lease as lease_module
from include.aws.errors import LeaseExpiringError, LeaseHeldError
from include.aws.lease import LEAST_SECONDS, LONGEST_WAIT_SECONDS, TERM_SECONDS, Lease, hold_lease
from include.aws.s3_uri import S3Uri
from include.aws.transient import transient_cause
from tests.support.champion_account import S3
from tests.support.champion_world import World

PLACE = S3Uri("bucket", "models/capitals/lease.json")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(random.Random(0), naps=0)
    monkeypatch.setattr(lease_module, "time", world)
    return world


def holding(world: World, name: str, during: Callable[[Lease], None], held: list[str]) -> Callable[[], None]:
    def work() -> None:
        with hold_lease(S3(world), PLACE, name) as lease:
            held.append(f"{name} holds it")
            during(lease)
            held.append(f"{name} is done")

    return work


def test_one_process_after_the_other_holds_it_and_nothing_is_left_behind(world: World) -> None:
    held: list[str] = []
    for name in ("a", "b", "c"):
        world.add(name, holding(world, name, lambda lease: world.sleep(10), held))
    world.play()
    assert [entry.partition(" ")[2] for entry in held] == ["holds it", "is done"] * 3
    assert world.objects == {}


def test_the_lease_of_a_killed_process_is_taken_over_once_its_term_is_over_and_not_before(world: World) -> None:
    world.objects[PLACE.key] = {"ETag": '"0"', "LastModified": world.date(), "bytes": b'{"owner": "run 1, killed"}'}
    held: list[str] = []
    world.add("next", holding(world, "next", lambda lease: held.append(f"at {world.now > TERM_SECONDS}"), held))
    world.play()
    assert held == ["next holds it", "at True", "next is done"]
    assert world.now < TERM_SECONDS + 10


def test_a_process_that_was_too_slow_does_not_write_and_leaves_the_next_ones_lease_alone(world: World) -> None:
    held: list[str] = []

    def sleep_and_write(lease: Lease) -> None:
        world.sleep(TERM_SECONDS + 20)
        with pytest.raises(LeaseExpiringError, match=f"Expected: {LEAST_SECONDS} s left") as refused:
            lease.check()
        assert transient_cause(refused.value)  # so the task is tried again

    world.add("slow", holding(world, "slow", sleep_and_write, held))
    world.add("next", holding(world, "next", lambda lease: world.sleep(60), held), after=5)
    world.play()
    assert held == ["slow holds it", "next holds it", "slow is done", "next is done"]
    assert world.objects == {}


def test_waiting_ends_with_an_error_that_names_the_holder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "TERM_SECONDS", 10 * LONGEST_WAIT_SECONDS)
    holder = b'{"owner": "register_version of import_capitals, run 7"}'
    world.objects[PLACE.key] = {"ETag": '"0"', "LastModified": world.date(), "bytes": holder}
    caught: list[LeaseHeldError] = []

    def wait() -> None:
        with pytest.raises(
            LeaseHeldError, match="Found: register_version of import_capitals, run 7 has held it"
        ) as held:
            holding(world, "waiting", lambda lease: None, [])()
        caught.append(held.value)

    world.add("waiting", wait)
    world.play()
    assert transient_cause(caught[0])
    assert LONGEST_WAIT_SECONDS < world.now < LONGEST_WAIT_SECONDS + 30


def test_a_process_whose_own_request_was_repeated_knows_its_lease(world: World) -> None:
    class Repeating(S3):
        def do_put_object(self, **request: str) -> dict[str, str]:  # type: ignore[override]
            super().do_put_object(**request)  # type: ignore[arg-type]
            return super().do_put_object(**request)  # type: ignore[arg-type, return-value]

    held: list[str] = []

    def work() -> None:
        with hold_lease(Repeating(world), PLACE, "a"):
            held.append("a")

    world.add("a", work)
    world.play()
    assert (held, world.objects) == (["a"], {})
    assert world.now < TERM_SECONDS
