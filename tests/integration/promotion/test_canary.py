"""A new champion gets a share of the calls first; then it gets all of them, or its promotion is taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, TaskDeferred
from botocore.client import BaseClient

from include.config.model import RetentionConfig
from include.consumer import Champion
from include.publishing.calls import count_calls
from include.publishing.errors import CanaryFailedError
from include.publishing.pointer import Pointer, read_pointer
from include.registry.sagemaker import SageMakerRegistry
from include.retention.retiring import retire_after_promotion
from include.steps.canary import SETTLING
from include.steps.results import CanaryResult, PublicationResult
from model_import_dag.factory import build_import_dag
from tests.support import publishing
from tests.support.bedrock_stand_in import CREDENTIALS, REGION, Aws
from tests.support.promotion_runs import Runs
from tests.support.switching import CANARY, OPEN, canary_begun, promoted, promoted_own, published, session, tag, watched
from tests.support.task_run import rebuild

OWN = "tests.support.publishing:remember"
BODY = {"prompt": "Hello", "max_tokens": 1}


def publish(runs: Runs, request: str, *, at_once: bool = False) -> PublicationResult:
    return published(runs, request, OWN, canary=CANARY, at_once=at_once)


def watch(runs: Runs, publication: PublicationResult, after: timedelta, request: str = "run 2") -> CanaryResult:
    return watched(runs, publication, request, OWN, after=after)


def pointer(runs: Runs) -> Pointer:
    found = read_pointer(runs.clients.ssm, runs.group)
    assert found
    return found


def promoted_twice(runs: Runs, own_arn: str) -> None:
    """Version 1, which applications call, and version 2, which has an imported model of its own."""
    promoted(runs, runs.model_arn)
    publish(runs, "run 1")
    promoted(runs, own_arn)
    publishing.NOTIFIED.clear()


def begun(runs: Runs, own_arn: str) -> PublicationResult:
    """A canary of version 2."""
    promoted_twice(runs, own_arn)
    return canary_begun(runs, "run 2", OWN)


def ask_all(aws: Aws, runs: Runs, calls: int = 24) -> None:
    """Calls of an application, none of which may fail."""
    champion = Champion(runs.group, session=session(aws))
    for _ in range(calls):
        assert champion.ask(BODY, seconds=5)["choices"]


AT_ONCE, AFTER = timedelta(0), timedelta(minutes=CANARY["minutes"]) + SETTLING


def test_a_canary_gets_its_share_of_the_calls_and_then_all_of_them(aws: Aws, runs: Runs, own_arn: str) -> None:
    publication, arns = begun(runs, own_arn), (runs.model_arn, own_arn)
    assert (pointer(runs).version, publication.version) == (1, 2)
    before = [calls_of(runs, arn) for arn in arns]
    ask_all(aws, runs)
    shares = [calls_of(runs, arn) - old for arn, old in zip(arns, before, strict=True)]
    assert sum(shares) == 24
    assert min(shares) > 0
    of_another_run = publish(runs, "run 3")
    assert (of_another_run.changed, of_another_run.canary_until) == (False, publication.canary_until)
    waits = watch(runs, publication, AT_ONCE)
    assert waits.next_look
    assert not waits.finished
    assert [tag(runs, arn) for arn in arns] == ["now", "now"]
    assert publishing.NOTIFIED == []
    assert watch(runs, publication, AFTER).finished
    assert (pointer(runs).version, pointer(runs).canary) == (2, None)
    assert [one.version for one in publishing.NOTIFIED] == [2]
    assert tag(runs, arns[1]) == "now" != tag(runs, arns[0])
    assert watch(runs, publication, AFTER).finished  # a task that is cleared


def now() -> datetime:
    return datetime.now(UTC)


def calls_of(runs: Runs, arn: str) -> int:
    return count_calls(runs.clients.cloudwatch, arn, now() - timedelta(minutes=20), now()).succeeded


def test_a_canary_that_fails_is_taken_back_and_no_call_of_an_application_fails(
    aws: Aws, runs: Runs, own_arn: str
) -> None:
    publication = begun(runs, own_arn)
    fail_calls(aws, own_arn)
    ask_all(aws, runs)
    for _ in range(2):  # also when the task is cleared
        with pytest.raises(CanaryFailedError, match=r"(?s)version 1 is the champion again.*calls failed"):
            watch(runs, publication, AT_ONCE)
        assert (pointer(runs).version, pointer(runs).canary, runs.champion()) == (1, None, 1)
    rejected = SageMakerRegistry(runs.clients.sagemaker).champion(runs.group)
    assert rejected
    assert rejected.metadata["decided_by"] == "the canary"
    assert tag(runs, runs.model_arn) == "now" != tag(runs, own_arn)
    assert not publish(runs, "run 3").changed
    assert publishing.NOTIFIED == []


def fail_calls(aws: Aws, arn: str) -> None:
    """All calls of one model fail from now on; the stand-in is the package's, so for as long as a test lasts."""
    aws.script("fail-calls", seconds=30, operation="InvokeModel", model=arn, code="InternalServerException")


@pytest.fixture(autouse=True)
def _no_faults(aws: Aws) -> Any:
    yield
    aws.script("clear-faults")


class Killed(BaseException):
    """The process was killed."""


def killed_at_each_write(attempt: Callable[[], Any]) -> Any:
    """What the attempt returns that is not killed: the first is killed at its first write, the next at its second …"""
    original, written, kills = BaseClient._make_api_call, 0, 0

    def call(self: Any, operation: str, arguments: dict[str, Any]) -> Any:
        nonlocal written
        if operation.startswith(("Put", "Tag", "Update")) and operation != "PutObject":
            written += 1
            if written > kills:
                raise Killed
        return original(self, operation, arguments)

    with patch.object(BaseClient, "_make_api_call", call):
        while True:
            written = 0
            try:
                return attempt()
            except Killed:
                kills += 1


def test_a_task_that_is_killed_at_any_write_finishes_the_switch_at_the_next_attempt(runs: Runs, own_arn: str) -> None:
    promoted_twice(runs, own_arn)
    publication = killed_at_each_write(lambda: publish(runs, "run 2"))
    assert publication.canary_until
    assert killed_at_each_write(lambda: watch(runs, publication, AFTER)).finished
    assert (pointer(runs).version, pointer(runs).canary, runs.champion()) == (2, None, 2)
    assert [one.version for one in publishing.NOTIFIED] == [2]


def test_a_task_that_is_killed_at_any_write_takes_the_promotion_back_at_the_next_attempt(
    aws: Aws, runs: Runs, own_arn: str
) -> None:
    publication = begun(runs, own_arn)
    fail_calls(aws, own_arn)
    ask_all(aws, runs)
    with pytest.raises(CanaryFailedError):
        killed_at_each_write(lambda: watch(runs, publication, AT_ONCE))
    assert (pointer(runs).version, pointer(runs).canary, runs.champion()) == (1, None, 1)


def test_a_second_promotion_takes_the_place_of_the_canary(runs: Runs, arns: tuple[str, str], own_arn: str) -> None:
    first = begun(runs, own_arn)
    promoted(runs, arns[1])
    second = publish(runs, "run 3")
    trial = pointer(runs).canary
    assert trial
    assert (pointer(runs).version, trial.champion.version) == (1, 3)
    assert tag(runs, own_arn) not in ("", "now")  # for applications that have not noticed yet
    assert watch(runs, first, AFTER) == CanaryResult(version=2)
    assert watch(runs, second, AFTER, "run 3").finished
    assert pointer(runs).version == 3


def test_a_roll_back_ends_a_canary_at_once(runs: Runs, own_arn: str) -> None:
    publication = begun(runs, own_arn)
    runs.roll_back(1)
    assert publish(runs, "roll back", at_once=True).canary_until is None
    assert (pointer(runs).version, pointer(runs).canary) == (1, None)
    assert not watch(runs, publication, AFTER).finished


def test_a_canary_whose_version_was_rejected_by_a_person_ends_at_the_next_look(runs: Runs, own_arn: str) -> None:
    publication = begun(runs, own_arn)
    runs.roll_back(1)  # and nothing published it
    ended = watch(runs, publication, AT_ONCE)
    assert (ended.version, ended.finished, ended.next_look) == (2, False, None)
    assert (pointer(runs).version, pointer(runs).canary) == (1, None)


def test_a_first_champion_and_one_after_a_roll_back_have_no_canary(runs: Runs, arns: tuple[str, str]) -> None:
    promoted(runs, arns[0])
    assert publish(runs, "run 1").canary_until is None
    promoted(runs, arns[1])
    publish(runs, "run 2", at_once=True)
    runs.roll_back(1)
    assert publish(runs, "a run after it").canary_until is None
    assert pointer(runs).version == 1


def test_retention_leaves_both_models_of_a_canary_alone(runs: Runs, own_arns: tuple[str, str]) -> None:
    promoted_own(runs, own_arns[0])
    publish(runs, "run 1")
    promoted_own(runs, own_arns[1])
    publish(runs, "run 2")
    report = retire_after_promotion(
        runs.clients, runs.group, RetentionConfig(keep=0, younger_than_days=0), now() + timedelta(days=30)
    )
    assert report.retired == ()


def test_the_task_waits_deferred_until_it_looks_again_and_is_skipped_without_a_canary(
    aws: Aws, runs: Runs, own_arn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    login, password = CREDENTIALS.values()
    extra = {"region_name": REGION, "endpoint_url": aws.endpoint}
    connection = {"conn_type": "aws", "login": login, "password": password, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_CANARY", json.dumps(connection))
    publication = begun(runs, own_arn)
    plan = runs.plan(**OPEN, publish={"publishers": [], "canary": CANARY})
    plan = plan.model_copy(update={"aws_conn_id": "aws_canary"})
    dag = build_import_dag(f"import_{runs.group}", plan.config)
    left: dict[str, Any] = {"preflight": plan.model_dump(mode="json"), "publish_champion": None}
    context: Any = {"ti": SimpleNamespace(xcom_pull=lambda task_ids: left[task_ids]), "dag": dag, "run_id": "one"}
    task: Any = dag.get_task("watch_canary")
    with pytest.raises(AirflowSkipException):
        task.execute(context)
    left["publish_champion"] = publication.model_dump(mode="json")
    for look in (task.execute, lambda context: task.resume_execution("look", {"event": None}, context)):
        with pytest.raises(TaskDeferred) as deferred:
            look(context)
        wait: Any = deferred.value
        assert timedelta(seconds=30) < rebuild(wait.trigger).moment - now() <= timedelta(minutes=1)
        assert wait.method_name == "look"
