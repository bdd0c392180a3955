"""The life of a model with everything in it that calls AWS: imports, an approval, room made, a way back, the page."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome

from artifact_events import producer, triggers
from artifact_events.producer import QueueProducer
from artifact_events.triggers import ArtifactLandedTrigger
from include.config.model import parse_model_config
from include.config.names import import_dag_id
from include.overview.reader import OverviewReader
from include.run.report_place import read_html_report
from model_import_dag import publishing
from model_import_dag.factory import build_import_dag
from model_import_dag.model_files import MODELS_FOLDER
from model_import_dag.retirement import build_retirement_dag
from model_import_dag.rolling_back import build_roll_back_dag
from model_imports_page.app import READING_ERRORS
from model_imports_page.connection import connect
from tests.support.call_faults import Call, CallFaults, Kind
from tests.support.in_process import run_dag, would_be_retried
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.runner import CONNECTION, QUICK, Runner
from tests.support.stacks import Aws

OPTIONS = ("--import-seconds", "0.1", "--cold-start-seconds", "0")
PAGE, EVENTS = "page", "artifact events"
#: The stand-in's quota of imported models: the third import has to make room.
QUOTA = 2
EVENT_SECONDS = 60.0


@contextmanager
def runner_of_an_account(folder: Path) -> Iterator[Runner]:
    """A stand-in with the project's stack and room for few models; Airflow's Variables name what is in it."""
    with (
        LocalAwsProcess([*OPTIONS, "--max-imported-models", str(QUOTA)]) as process,
        pytest.MonkeyPatch.context() as environment,
    ):
        runner = Runner.create(Aws(process.endpoint_url), folder)
        runner.connect(environment)
        for name, value in runner.variables().items():
            environment.setenv(name, value)
        files = folder / "models"
        files.mkdir()
        environment.setattr(publishing, "MODELS_FOLDER", files)
        environment.setattr(producer, "LONG_POLL", 1)
        environment.setattr(producer, "VISIBLE_AFTER", 1)
        for module in (producer, triggers):
            environment.setattr(module, "PAUSE_AFTER_ERROR", 0.1)
        yield runner


class WrongEnd(NamedTuple):
    """A try that failed and would not have been followed by another, or that met no fault."""

    task: str
    faults: tuple[tuple[Call, Kind], ...]
    error: str


@dataclass
class ModelLife:
    """One model on the stand-in. A task that fails is run again, as long as it met a fault."""

    runner: Runner
    name: str
    faults: CallFaults = field(default_factory=CallFaults)
    wrong: list[WrongEnd] = field(default_factory=list)
    #: How many versions were imported and registered by now.
    imports: int = 0

    def begin(self, task: str) -> None:
        self.faults.begin(task)

    def again(self, task: Any, error: Exception) -> bool:
        """Run it again when it met a fault; note it when Airflow would not."""
        met = tuple(self.faults.fresh)
        if not (met and would_be_retried(task, error)):
            self.wrong.append(WrongEnd(task.task_id, met, f"{type(error).__name__}: {error}"))
        return bool(met)

    def live(self) -> None:
        """Do all of it, in the order in which it is possible."""
        self.import_first()
        self.import_by_schedule()
        self.go_back()
        self.import_where_there_is_no_room()
        self.look_at_the_page()
        if not self.hear_of_a_fine_tune():
            self.wrong.append(WrongEnd(EVENTS, tuple(self.faults.fresh), "no event"))
        self.retire()

    def import_first(self) -> dict[str, Any]:
        """Import from S3 by the form; a person approves."""
        return self._by_form(promotion="manual")

    def import_by_schedule(self) -> dict[str, Any]:
        """Import what SageMaker trained, by the model's own DAG; it is compared with the champion."""
        conf = self._conf()
        file = {
            "model_name": self.name,
            "base": "sagemaker:model/base",
            "adapter": "sagemaker:training-job/early",
            "evaluation": {"dataset": conf["evaluation_dataset"], "thresholds": {"f1": 0}},
            "schedule": "@daily",
            "publish": {"grace_hours": 0},  # otherwise the version before keeps its slot for a day
        }
        (publishing.MODELS_FOLDER / f"{self.name}.yaml").write_text(json.dumps(file))  # where a roll back looks
        self.imports += 1
        dag = build_import_dag(import_dag_id(self.name), parse_model_config(file, "a test"), QUICK)
        return run_dag(dag, f"run-{next(self.runner.numbers)}", {}, self, "scheduled")

    def import_where_there_is_no_room(self) -> dict[str, Any]:
        """Import the base model alone; an older version has to go first."""
        return self._by_form(adapter=None, retention_make_room=True)

    def go_back(self) -> dict[str, Any]:
        """Make the version before the champion the champion."""
        conf = {"model_name": self.name, "reason": "a test"}
        return run_dag(build_roll_back_dag(), f"run-{next(self.runner.numbers)}", conf, self)

    def retire(self) -> dict[str, Any]:
        """Retire all that the policy lets go."""
        conf = {"model_name": self.name, "dry_run": False, "keep": 0, "delete_checkpoint": True}
        return run_dag(build_retirement_dag(), f"run-{next(self.runner.numbers)}", conf, self)

    def look_at_the_page(self) -> None:
        """Read all that the page shows; whoever sees an error loads it again."""
        reader = OverviewReader(connect, MODELS_FOLDER)
        fingerprint = self._versions()[0]["CustomerMetadataProperties"]["fingerprint"]
        for read in (
            lambda: reader.account(refresh=True),
            lambda: reader.row(self.name),
            lambda: reader.page(self.name),
            reader.plan,
            lambda: reader.ask(lambda clients: read_html_report(self.name, fingerprint, clients.sagemaker, clients.s3)),
        ):
            self._load(read)

    def _load(self, read: Callable[[], Any]) -> None:
        while True:
            self.begin(PAGE)
            try:
                read()
                return
            except Exception as error:
                met = tuple(self.faults.fresh)
                if not (met and isinstance(error, READING_ERRORS)):
                    self.wrong.append(WrongEnd(PAGE, met, f"{type(error).__name__}: {error}"))
                if not met:
                    raise

    def hear_of_a_fine_tune(self) -> list[dict[str, str]]:
        """Hear from the queue that an adapter landed, and put a message aside that is none; the events it makes."""
        self.begin(EVENTS)
        return asyncio.run(self._hear())

    async def _hear(self) -> list[dict[str, str]]:
        url, uri = self.runner.outputs["EventQueueUrl"], f"{self.runner.outputs['FineTunesUri']}capitals"
        sqs = self.runner.aws.client("sqs")
        with self.faults.apart():
            for body in (_notification(f"{uri}/finished/adapter_config.json"), "no notification"):
                sqs.send_message(QueueUrl=url, MessageBody=body)
        reader = QueueProducer(url, CONNECTION, "us-east-1", 0.1)
        trigger = ArtifactLandedTrigger(queue_url=url, s3_uri=uri, aws_conn_id=CONNECTION, region_name="us-east-1")
        events: list[dict[str, str]] = []
        deadline = time.monotonic() + EVENT_SECONDS
        async for landing, _ in reader.open_stream():
            events += [event.payload async for event in trigger.filter_shared_stream(_only(landing))]
            await reader.advance([AdvanceItem(landing, AdvanceOutcome(acked=1, failed=0))])
            if events or time.monotonic() > deadline:  # what was not deleted comes again, and does no harm
                break
        await reader.aclose()
        return events

    def assert_nothing_was_made_twice(self) -> None:
        """One job and one version per import, and no upload left open."""
        bedrock, s3 = self.runner.aws.client("bedrock"), self.runner.aws.client("s3")
        jobs = bedrock.list_model_import_jobs(nameContains=f"{self.name}-")["modelImportJobSummaries"]
        assert [job["status"] for job in jobs] == ["Completed"] * self.imports
        fingerprints = Counter(each["CustomerMetadataProperties"]["fingerprint"] for each in self._versions())
        assert set(fingerprints.values()) == {1}
        assert len(fingerprints) == self.imports
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=self.runner.outputs["BucketName"])

    def end(self) -> None:
        """Delete what is still imported, so that the next model finds room."""
        bedrock = self.runner.aws.client("bedrock")
        for model in bedrock.list_imported_models()["modelSummaries"]:
            bedrock.delete_imported_model(modelIdentifier=model["modelArn"])

    def _conf(self, **changes: Any) -> dict[str, Any]:
        return self.runner.conf(model_name=self.name, **changes)

    def _by_form(self, **changes: Any) -> dict[str, Any]:
        self.imports += 1
        dag = build_import_dag("import_model", None, QUICK)
        return run_dag(dag, f"run-{next(self.runner.numbers)}", self._conf(**changes), self)

    def _versions(self) -> list[dict[str, Any]]:
        sagemaker = self.runner.aws.client("sagemaker")
        with self.faults.apart():
            found = sagemaker.list_model_packages(ModelPackageGroupName=self.name)["ModelPackageSummaryList"]
            return [sagemaker.describe_model_package(ModelPackageName=each["ModelPackageArn"]) for each in found]


async def _only(landing: Any) -> AsyncIterator[Any]:
    yield landing


def _notification(uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    written = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
    return json.dumps({"Records": [written]})
