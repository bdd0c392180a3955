"""The queue's reader and the models' triggers in Airflow's own shared stream, against SQS, S3 and EventBridge."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from airflow.triggers.shared_stream import SharedStreamManager

from artifact_events import producer
from artifact_events.triggers import ArtifactLandedTrigger, SharedStreamMissingError
from tests.integration.plugins.conftest import BUCKET, CONNECTION, Aws
from tests.support.training_jobs import end_training_job

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "LONG_POLL", 1)
    monkeypatch.setattr(producer, "VISIBLE_AFTER", 3)


@dataclass
class Queue:
    """A queue that is told of everything under one prefix of the bucket, and its dead-letter queue."""

    aws: Aws
    name: str
    url: str = ""
    dead_letter_url: str = ""

    def make(self, *, dead_letters: bool = True) -> Queue:
        sqs = self.aws.client("sqs")
        attributes = {}
        if dead_letters:
            self.dead_letter_url = sqs.create_queue(QueueName=f"{self.name}-dead")["QueueUrl"]
            policy = {"deadLetterTargetArn": self.arn(self.dead_letter_url), "maxReceiveCount": 2}
            attributes = {"RedrivePolicy": json.dumps(policy)}
        self.url = sqs.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]
        return self

    def arn(self, url: str) -> str:
        found = self.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def watch_s3(self) -> Queue:
        rules = [{"Name": "prefix", "Value": f"{self.name}/"}]
        told = {
            "QueueArn": self.arn(self.url),
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": rules}},
        }
        self.aws.client("s3").put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [told]}
        )
        return self

    def write(self, *paths: str) -> None:
        for path in paths:
            self.aws.client("s3").put_object(Bucket=BUCKET, Key=f"{self.name}/{path}", Body=b"x")

    def send(self, body: str) -> None:
        self.aws.client("sqs").send_message(QueueUrl=self.url, MessageBody=body)

    def held(self, url: str = "") -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.aws.client("sqs").get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))

    def trigger(self, folder: str, **options: Any) -> ArtifactLandedTrigger:
        watched = {"s3_uri": f"s3://{BUCKET}/{self.name}/{folder}"} | options
        return ArtifactLandedTrigger(queue_url=self.url, settle_seconds=0.3, aws_conn_id=CONNECTION, **watched)


@dataclass
class Triggerer:
    """What Airflow's triggerer does with triggers of a shared stream: fire, store the event, confirm it."""

    persists: bool = True
    manager: SharedStreamManager = field(default_factory=SharedStreamManager)
    events: list[tuple[int, dict[str, str]]] = field(default_factory=list)

    async def run(self, number: int, trigger: ArtifactLandedTrigger) -> None:
        key = trigger.shared_stream_key()
        stream = self.manager.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                self.events.append((number, event.payload))
                stored = self.manager.bind_pending_event(trigger_id=number, key=key)
                if self.persists and stored is not None:
                    asyncio.get_running_loop().call_later(0.1, self.manager.confirm_persisted, [stored])
        finally:
            await self.manager.unsubscribe(number, key)

    @property
    def artifacts(self) -> list[str]:
        return [payload["artifact"].rpartition("/")[2] for _, payload in self.events]


@asynccontextmanager
async def triggerer(*triggers: ArtifactLandedTrigger, persists: bool = True) -> AsyncIterator[Triggerer]:
    running = Triggerer(persists)
    tasks = [asyncio.create_task(running.run(number, trigger)) for number, trigger in enumerate(triggers)]
    try:
        yield running
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.1)


@pytest.fixture
def queue(aws: Aws) -> Queue:
    return Queue(aws, aws.new_name()).make().watch_s3()


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(scenario())


def test_a_folder_fires_once_it_is_complete_and_its_messages_are_deleted(queue: Queue) -> None:
    async def scenario() -> None:
        async with triggerer(queue.trigger("model")) as running:
            queue.write("model/a/adapter_model.safetensors")
            await until(lambda: queue.held() == 0)
            assert running.events == []
            queue.write("model/a/adapter_config.json")
            await until(lambda: running.artifacts == ["a"] and queue.held() == 0)
            last = queue.aws.client("s3").head_object(Bucket=BUCKET, Key=f"{queue.name}/model/a/adapter_config.json")
            assert running.events[0][1]["landed_at"] == last["LastModified"].isoformat()

    run(scenario)


def test_a_message_is_kept_until_its_event_is_stored_and_comes_again_if_it_never_was(queue: Queue) -> None:
    async def scenario() -> None:
        async with triggerer(queue.trigger("model"), persists=False) as dying:
            queue.write("model/a/adapter_model.safetensors", "model/a/adapter_config.json")
            await until(lambda: dying.artifacts == ["a"])
            await asyncio.sleep(0.5)
            assert queue.held() == 2
        async with triggerer(queue.trigger("model")) as next_one:
            await until(lambda: next_one.artifacts == ["a"] and queue.held() == 0)

    run(scenario)


def test_models_that_share_a_queue_get_what_is_theirs(queue: Queue) -> None:
    async def scenario() -> None:
        async with triggerer(queue.trigger("one"), queue.trigger("two")) as running:
            queue.write("two/b.tar.gz", "one/a.tar.gz")
            await until(lambda: queue.held() == 0)
            found = sorted((number, payload["artifact"]) for number, payload in running.events)
            uri = f"s3://{BUCKET}/{queue.name}"
            assert found == [(0, f"{uri}/one/a.tar.gz"), (1, f"{uri}/two/b.tar.gz")]

    run(scenario)


def test_what_no_model_watches_stays_for_another_triggerer_and_then_goes_aside(queue: Queue) -> None:
    async def scenario() -> None:
        queue.write("two/b.tar.gz")
        async with triggerer(queue.trigger("one")) as running:
            await until(lambda: queue.held(queue.dead_letter_url) == 1)
            assert running.events == []

    run(scenario)


def test_an_unreadable_message_goes_to_the_dead_letter_queue_and_holds_nothing_up(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        queue.send("garbage")
        queue.write("model/a.tar.gz")
        async with triggerer(queue.trigger("model")) as running:
            await until(lambda: queue.held(queue.dead_letter_url) == 1 and queue.held() == 0)
            assert running.artifacts == ["a.tar.gz"]

    run(scenario)
    assert "garbage" in caplog.text


def test_an_unreadable_message_is_deleted_and_reported_where_there_is_no_dead_letter_queue(
    aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue(aws, aws.new_name()).make(dead_letters=False)

    async def scenario() -> None:
        queue.send("garbage")
        async with triggerer(queue.trigger("model")):
            await until(lambda: queue.held() == 0)

    run(scenario)
    assert "Deleted" in caplog.text
    assert "garbage" in caplog.text


def test_a_completed_training_job_of_this_name_fires(queue: Queue) -> None:
    events = queue.aws.client("events")
    pattern = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Training Job State Change"]}
    events.put_rule(Name=queue.name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=queue.name, Targets=[{"Id": "queue", "Arn": queue.arn(queue.url)}])

    async def scenario() -> None:
        async with triggerer(queue.trigger("", s3_uri=None, training_jobs="mine-*")) as running:
            train(queue.aws, f"mine-{queue.name}")
            await until(lambda: queue.held() == 0 and bool(running.events))
            assert running.events[0][1]["artifact"] == f"sagemaker:training-job/mine-{queue.name}"

    run(scenario)
    events.remove_targets(Rule=queue.name, Ids=["queue"])


def train(aws: Aws, name: str) -> None:
    end_training_job(aws.client("sagemaker"), name, f"s3://{BUCKET}/out")


def test_the_trigger_names_its_connection_and_holds_no_secret(queue: Queue) -> None:
    path, arguments = queue.trigger("model").serialize()
    assert path == "artifact_events.triggers.ArtifactLandedTrigger"
    assert arguments["aws_conn_id"] == CONNECTION
    assert ArtifactLandedTrigger(**arguments).shared_stream_key() == queue.trigger("other").shared_stream_key()


def test_alone_the_trigger_refuses_to_take_messages() -> None:
    with pytest.raises(SharedStreamMissingError):
        ArtifactLandedTrigger(queue_url="https://queue").run()
