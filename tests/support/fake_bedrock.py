"""Amazon Bedrock in memory, for one account and region."""

from __future__ import annotations

import io
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012"
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
SERVICES = {
    "create_model_import_job": "bedrock",
    "get_model_import_job": "bedrock",
    "get_evaluation_job": "bedrock",
    "get_imported_model": "bedrock",
    "list_model_import_jobs": "bedrock",
    "list_tags_for_resource": "bedrock",
    "invoke_model": "bedrock-runtime",
}


@cache
def service_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def aws_error(code: str, message: str = "said by the service", operation: str = "Operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class FakeBedrock:
    """Jobs and models by name. ``faults`` maps an operation to the errors of its next calls."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.faults: dict[str, list[Exception]] = {}
        self.calls: list[str] = []
        #: The states that the next polls of any job will see; afterwards it stays as it is.
        self.upcoming_states: list[str] = []
        #: The only evaluation job, and the states that the next polls of it will see.
        self.evaluation: dict[str, Any] = {}
        self.upcoming_evaluation_states: list[str] = []

    def add_job(self, name: str, status: str, model: str = "capitals", fingerprint: str = "f1") -> dict[str, Any]:
        number = len(self.jobs)
        arn, model_arn = f"{ACCOUNT}:model-import-job/job{number:09}", f"{ACCOUNT}:imported-model/mod{number:09}"
        job = {
            "jobArn": arn,
            "jobName": name,
            "importedModelName": model,
            "creationTime": START,
            "status": "InProgress",
        }
        self.jobs[name] = job
        self.tags |= {arn: {"fingerprint": fingerprint}, model_arn: {"fingerprint": fingerprint}}
        job["importedModelArn"] = model_arn
        self.set_status(job, status)
        return job

    def set_status(self, job: dict[str, Any], status: str) -> None:
        job["status"] = status
        if status == "Completed":
            job["endTime"] = START + timedelta(minutes=15)
            self.models[job["importedModelName"]] = {
                "modelArn": job["importedModelArn"],
                "modelName": job["importedModelName"],
                "jobName": job["jobName"],
                "jobArn": job["jobArn"],
            }
        if status == "Failed":
            job["failureMessage"] = "Amazon bedrock does not support the architecture (bert) of the model"

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        name = "".join(part.title() for part in operation.split("_"))
        shape = service_model(SERVICES[operation]).operation_model(name).input_shape
        report = ParamValidator().validate(request, shape)
        if report.has_errors():
            raise AssertionError(report.generate_report())
        answer: dict[str, Any] = getattr(self, f"_{operation}")(**request)
        if self.faults.get(operation):
            raise self.faults[operation].pop(0)
        return answer

    def _find(self, found: dict[str, dict[str, Any]], arn_field: str, identifier: str) -> dict[str, Any]:
        for name, item in found.items():
            if identifier in (name, item[arn_field]):
                return item
        raise aws_error("ValidationException", "The provided model identifier is invalid.")

    def _create_model_import_job(self, **request: Any) -> dict[str, Any]:
        if self.faults.get("create_model_import_job") and not self.lose_answers:
            raise self.faults["create_model_import_job"].pop(0)
        token, name = request.get("clientRequestToken"), request["jobName"]
        if token in self.tokens:
            return {"jobArn": self.tokens[token]}
        if name in self.jobs:
            raise aws_error("ValidationException", "The provided job name is currently in use.")
        job = self.add_job(name, "InProgress", request["importedModelName"])
        for arn, tags in (("jobArn", "jobTags"), ("importedModelArn", "importedModelTags")):
            self.tags[job[arn]] = {tag["key"]: tag["value"] for tag in request.get(tags, [])}
        if token:
            self.tokens[token] = job["jobArn"]
        return {"jobArn": job["jobArn"]}

    #: Whether a failing creation happens all the same, and only its answer is lost.
    lose_answers = False

    def _get_model_import_job(self, jobIdentifier: str) -> dict[str, Any]:
        job = self._find(self.jobs, "jobArn", jobIdentifier)
        if self.upcoming_states:
            self.set_status(job, self.upcoming_states.pop(0))
        return dict(job)

    def _get_evaluation_job(self, jobIdentifier: str) -> dict[str, Any]:
        if self.upcoming_evaluation_states:
            self.evaluation = self.evaluation | {"status": self.upcoming_evaluation_states.pop(0)}
        return {"jobArn": jobIdentifier, **self.evaluation}

    def _get_imported_model(self, modelIdentifier: str) -> dict[str, Any]:
        return self._find(self.models, "modelArn", modelIdentifier)

    def _list_model_import_jobs(self, **_: Any) -> dict[str, Any]:
        return {"modelImportJobSummaries": [job for job in self.jobs.values() if job["status"] == "InProgress"]}

    def _list_tags_for_resource(self, resourceARN: str) -> dict[str, Any]:
        return {"tags": [{"key": key, "value": value} for key, value in self.tags.get(resourceARN, {}).items()]}

    def _invoke_model(self, **_: Any) -> dict[str, Any]:
        return {"body": b'{"generation": "Paris"}'}

    def __getattr__(self, operation: str) -> Any:
        if operation not in SERVICES:
            raise AttributeError(operation)
        return lambda **request: _with_body(self.call(operation, request), io.BytesIO)


class AsyncBody(io.BytesIO):
    async def read(self, *args: Any) -> bytes:  # type: ignore[override]
        return super().read(*args)


class AsyncFakeBedrock:
    """The same service, as aiobotocore's client shows it."""

    def __init__(self, fake: FakeBedrock) -> None:
        self.fake = fake

    def __getattr__(self, operation: str) -> Any:
        async def call(**request: Any) -> dict[str, Any]:
            return _with_body(self.fake.call(operation, request), AsyncBody)

        return call


def _with_body(answer: dict[str, Any], wrap: Any) -> dict[str, Any]:
    return answer | {"body": wrap(answer["body"])} if "body" in answer else answer


def async_connection(fake: FakeBedrock) -> Any:
    @asynccontextmanager
    async def connected() -> Any:
        yield AsyncFakeBedrock(fake)

    async def get_async_conn(_: Any) -> Any:
        return connected()

    return get_async_conn
