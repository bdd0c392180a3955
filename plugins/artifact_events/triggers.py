"""The trigger of an AssetWatcher: fires when an artifact has landed where one model's fine-tunes land."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import SharedStreamProducer

from artifact_events.completeness import is_archive, missing_files
from artifact_events.landings import Landing
from artifact_events.messages import ObjectWritten, TrainingJobChanged
from artifact_events.producer import AWS_ERRORS, QueueProducer

log = logging.getLogger(__name__)

PAUSE_AFTER_ERROR = 15.0


class SharedStreamMissingError(RuntimeError):
    """This trigger only runs in a triggerer that shares its streams: Airflow 3.3 or newer."""

    def __init__(self) -> None:
        super().__init__("ArtifactLandedTrigger reads a shared stream: run it as an asset's watcher on Airflow >= 3.3")


class ArtifactLandedTrigger(BaseEventTrigger):
    """
    Fire for each artifact that landed completely; the event holds its address and when it landed.

    Each folder directly under the watched prefix is one artifact, each archive too; files directly under the prefix are
    one artifact of their own. All triggers of one queue share one reader.

    :param queue_url: The SQS queue that S3 and EventBridge send their notifications to.
    :param s3_uri: Where artifacts land, ``s3://bucket/prefix``.
    :param training_jobs: Names of SageMaker training jobs whose completion counts, with ``*`` and ``?``.
    :param settle_seconds: How long nothing must have been written before an artifact is looked at.
    :param aws_conn_id: The Airflow connection used for AWS credentials.
    :param region_name: The AWS region of the queue.
    """

    def __init__(
        self,
        *,
        queue_url: str,
        s3_uri: str | None = None,
        training_jobs: str | None = None,
        settle_seconds: float = 30,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.queue_url = queue_url
        self.s3_uri = s3_uri
        self.training_jobs = training_jobs
        self.settle_seconds = settle_seconds
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again; the connection is named, not held."""
        names = ("queue_url", "s3_uri", "training_jobs", "settle_seconds", "aws_conn_id", "region_name")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    def shared_stream_key(self) -> tuple[str, ...]:
        """Return the key of the shared reader."""
        reader = (self.queue_url, self.aws_conn_id, self.region_name, self.settle_seconds)
        return (type(self).__qualname__, *map(str, reader))

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return the reader of the queue."""
        return QueueProducer(
            kwargs["queue_url"], kwargs["aws_conn_id"], kwargs["region_name"], kwargs["settle_seconds"]
        )

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each landing that is a complete artifact of this model."""
        async for landing in shared_stream:
            landing.undecided += 1
            event = await self._event(landing)
            landing.undecided -= 1
            if event:
                yield TriggerEvent(event)

    def run(self) -> AsyncIterator[TriggerEvent]:
        """Refuse to run without the shared stream: alone, this trigger would take other models' messages."""
        raise SharedStreamMissingError

    async def _event(self, landing: Landing) -> dict[str, str] | None:
        if isinstance(landing.notice, TrainingJobChanged):
            return self._training_job_event(landing, landing.notice)
        uri = artifact_uri(landing.notice, self.s3_uri) if self.s3_uri else None
        if uri is None:
            return None
        landing.claimed = True
        return await self._artifact_event(uri)

    def _training_job_event(self, landing: Landing, job: TrainingJobChanged) -> dict[str, str] | None:
        if not self.training_jobs or not fnmatchcase(job.name, self.training_jobs):
            return None
        landing.claimed = True
        if job.status != "Completed" or job.ended_at is None:
            log.info("Training job %s is %s: nothing to import", job.name, job.status)
            return None
        return {"artifact": f"sagemaker:training-job/{job.name}", "landed_at": job.ended_at.isoformat()}

    async def _artifact_event(self, uri: str) -> dict[str, str] | None:
        written = await self._list(uri)
        if missing := missing_files(written) if not is_archive(uri) else ():
            log.info("%s is not complete, %s: the next file brings another look", uri, ", ".join(missing[:10]))
            return None
        if not written:
            log.info("%s is not there any more", uri)
            return None
        return {"artifact": uri, "landed_at": max(written.values()).isoformat()}

    async def _list(self, uri: str) -> dict[str, datetime]:
        """Return the time of each object of an artifact, by relative path; retries until S3 answers."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        folder = prefix if is_archive(prefix) or not prefix else f"{prefix}/"
        while True:
            try:
                async with await S3Hook(
                    aws_conn_id=self.aws_conn_id, region_name=self.region_name
                ).get_async_conn() as client:
                    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder)
                    found = [item async for page in pages for item in page.get("Contents", [])]
                return {item["Key"].removeprefix(folder): item["LastModified"] for item in found}
            except AWS_ERRORS as error:
                log.error("%s cannot be listed, trying again: %s", uri, error)
                await asyncio.sleep(PAUSE_AFTER_ERROR)


def artifact_uri(written: ObjectWritten, watched: str) -> str | None:
    """Return the artifact that an object belongs to: the folder under ``watched``, the archive; None outside of it."""
    top = f"{watched.rstrip('/')}/"
    uri = f"s3://{written.bucket}/{written.key}"
    if not uri.startswith(top):
        return None
    if is_archive(uri):
        return uri
    folder, slash, _ = uri.removeprefix(top).partition("/")
    return top + folder if slash else top.rstrip("/")
