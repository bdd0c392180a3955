"""Promotions and their publication by the real steps, and applications that call the champion meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import boto3

from include.aws.clients import AwsClients
from include.config.model import parse_model_config
from include.evaluation.asking import Patience
from include.publishing.pointer import read_pointer, write_pointer
from include.steps.canary import watch_canary
from include.steps.publish import PublishedModel, publish_champion
from include.steps.results import CanaryResult, PublicationResult
from tests.support.bedrock_stand_in import CREDENTIALS, REGION, Aws
from tests.support.promotion_runs import Runs, finished

#: A version that answers as the champion does is promoted: 120 records are enough for this margin.
OPEN = {
    "evaluation": {"dataset": "include/demo/capitals_eval.jsonl", "thresholds": {"f1": 0.2}},
    "comparison": {"margin": 0.05},
}
CANARY = {"share": 0.5, "minutes": 10, "max_error_rate": 0.2}
SHORT = Patience(deadline_seconds=1, first_pause_seconds=0.1)


def published_model(runs: Runs, **publish: Any) -> PublishedModel:
    config = parse_model_config({"model_name": runs.group, "base": "base", "publish": publish, **OPEN}, "test")
    assert config.publish
    return PublishedModel(runs.group, config.publish, config.evaluation, None)


def promoted(runs: Runs, arn: str) -> None:
    """Decide and register a version that this imported model serves."""
    runs.run(runs.plan(**OPEN), finished, arn)


def promoted_own(runs: Runs, arn: str) -> None:
    """The same, with the tags by which retention knows the imported model as one of this project's."""
    plan = runs.plan(**OPEN)
    runs.run(plan, finished, arn)
    tags = {"model_name": runs.group, "fingerprint": plan.fingerprint}
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    runs.clients.bedrock.tag_resource(resourceARN=arn, tags=listed)


def published(
    runs: Runs,
    request: str,
    *publishers: str,
    clients: AwsClients | None = None,
    canary: dict[str, float] | None = None,
    at_once: bool = False,
) -> PublicationResult:
    model = published_model(runs, publishers=publishers, canary=canary)
    return publish_champion(model, clients or runs.clients, request, SHORT, at_once=at_once)


def canary_begun(runs: Runs, request: str, *publishers: str) -> PublicationResult:
    """A canary that began two minutes ago: calls are counted from its first full minute on."""
    publication = published(runs, request, *publishers, canary=CANARY)
    written = read_pointer(runs.clients.ssm, runs.group)
    assert written
    assert written.canary
    trial = written.canary.model_copy(update={"since": written.canary.since - timedelta(minutes=2)})
    write_pointer(runs.clients.ssm, written.model_copy(update={"canary": trial}))
    return publication


def watched(
    runs: Runs, publication: PublicationResult, request: str, *publishers: str, after: timedelta = timedelta(0)
) -> CanaryResult:
    """What a look at the canary returns when so much time has passed."""
    model = published_model(runs, publishers=publishers, canary=CANARY)
    return watch_canary(model, publication, runs.clients, request, datetime.now(UTC) + after)


def tag(runs: Runs, arn: str) -> str:
    """What the imported model's tag says about applications."""
    tags = runs.clients.bedrock.list_tags_for_resource(resourceARN=arn)["tags"]
    return {one["key"]: one["value"] for one in tags}.get("published", "")


def session(aws: Aws) -> Any:
    """A boto3 session of the stand-in, as AWS_ENDPOINT_URL makes one."""
    made = boto3.Session(region_name=REGION, **CREDENTIALS)
    return SimpleNamespace(client=lambda *names, **more: made.client(*names, endpoint_url=aws.endpoint, **more))


class calls_of:
    """Call again and again from several threads while the block runs; ``failed`` holds what the calls raised."""

    def __init__(self, call: Callable[[], Any], threads: int = 4) -> None:
        self._call, self._ended = call, Event()
        self.failed: list[Exception] = []
        self.answers: list[Any] = []
        self._threads = [Thread(target=self._repeat) for _ in range(threads)]

    @property
    def count(self) -> int:
        return len(self.answers) + len(self.failed)

    def __enter__(self) -> calls_of:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self) -> None:
        while not self._ended.is_set():
            try:
                self.answers.append(self._call())
            except Exception as error:
                self.failed.append(error)
