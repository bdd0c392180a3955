"""Keep the record of a finished fine-tune: what its job, its card and its data report say."""

from __future__ import annotations

import json
import logging
import tarfile
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from include.aws.clients import AwsClients
from include.aws.s3 import request
from include.aws.s3_uri import S3Uri
from include.service.training_instances import training_cost
from include.steps.training_results import StartedTrainingResult, TrainingDataResult
from include.training.errors import TrainingCardMissingError
from include.training.plan import TrainingPlan
from include.training.training_record import (
    FineTuneRecord,
    LossPoint,
    TrainingData,
    read_record,
    record_uri,
    write_record,
)

log = logging.getLogger(__name__)
CARD = "training_card.json"
MAX_CARD_BYTES = 2**24


def record_training(
    plan: TrainingPlan, prepared: TrainingDataResult, started: StartedTrainingResult, clients: AwsClients
) -> FineTuneRecord:
    """Write the record of the job, unless it is there, and return it.

    Raises:
        TrainingCardMissingError: the job's artifact was not written by this project's script.
    """
    uri = record_uri(plan.bucket, plan.config.account.prefix, plan.config.model_name, plan.fingerprint)
    known = read_record(clients.s3, uri)
    if known and known.job_name == started.job_name:
        log.info("The record is there: %s", uri)
        return known
    job = clients.sagemaker.describe_training_job(TrainingJobName=started.job_name)
    card = read_card(clients.s3, job["ModelArtifacts"]["S3ModelArtifacts"])
    record = _record(plan, prepared, started, job, card)
    write_record(clients.s3, uri, record)
    log.info("%s", _summary(record))
    return record


def read_card(s3: Any, artifact_uri: str) -> dict[str, Any]:
    """Return the training card inside a job's artifact, which is read once, and not kept.

    Raises:
        TrainingCardMissingError: it holds none.
    """
    body = request(s3, "get_object", artifact_uri, S3Uri.parse(artifact_uri).arguments)["Body"]
    try:
        with tarfile.open(fileobj=body, mode="r|gz") as archive:
            for member in archive:
                if member.name.removeprefix("./") == CARD and (file := archive.extractfile(member)):
                    return dict(json.loads(file.read(MAX_CARD_BYTES)))
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise TrainingCardMissingError(artifact_uri, f"{type(error).__name__}: {error}") from error
    raise TrainingCardMissingError(artifact_uri, "none")


def _record(
    plan: TrainingPlan,
    prepared: TrainingDataResult,
    started: StartedTrainingResult,
    job: Mapping[str, Any],
    card: Mapping[str, Any],
) -> FineTuneRecord:
    resources, trained = job["ResourceConfig"], float(job.get("TrainingTimeInSeconds", card["seconds"]))
    billable = float(job.get("BillableTimeInSeconds", trained))
    cost = training_cost(
        resources["InstanceType"],
        resources["InstanceCount"],
        plan.region_name,
        training_seconds=trained,
        billable_seconds=billable,
    )
    return FineTuneRecord(
        model_name=plan.config.model_name,
        job_name=job["TrainingJobName"],
        job_arn=job["TrainingJobArn"],
        fingerprint=plan.fingerprint,
        base=plan.config.base,
        data=TrainingData(uri=plan.training.data, format=plan.training.format),
        data_digest=prepared.data_digest,
        data_report_uri=prepared.data_report_uri,
        settings=card["settings"],
        versions=card["versions"],
        instance_type=resources["InstanceType"],
        instances=resources["InstanceCount"],
        spot=bool(job.get("EnableManagedSpotTraining")),
        training_seconds=trained,
        billable_seconds=billable,
        loss=loss_points(card),
        steps=card["steps"],
        tokens=round(card["data"]["tokens"] * float(card["settings"]["epochs"])),
        attempts=started.attempt,
        cost_usd=cost.usd,
        on_demand_cost_usd=cost.on_demand_usd,
        finished_at=job["TrainingEndTime"].astimezone(UTC),
        artifact_uri=job["ModelArtifacts"]["S3ModelArtifacts"],
    )


def loss_points(card: Mapping[str, Any]) -> tuple[LossPoint, ...]:
    """Return the card's curve; a held-out loss is at the first point from its step on.

    The script measures the duration of all steps together, so the minutes of a step are its share of that.
    """
    steps, minutes = max(1, card["steps"]), card["seconds"] / 60
    held_out = dict(card["losses"]["held_out"])
    points = []
    for step, train in card["losses"]["train"]:
        measured = [held_out.pop(at) for at in sorted(held_out) if at <= step and at > 0]
        value = measured[-1] if measured else None
        points.append(LossPoint(step=step, minutes=round(minutes * step / steps, 3), train=train, held_out=value))
    return tuple(points)


def _summary(record: FineTuneRecord) -> str:
    last = record.loss[-1] if record.loss else None
    held_out = next((point.held_out for point in reversed(record.loss) if point.held_out is not None), None)
    losses = f", loss {last.train:.4f}" if last else ""
    losses += f", held out {held_out:.4f}" if held_out is not None else ""
    time = f"{record.training_seconds:.0f} s trained, {record.billable_seconds:.0f} s billed"
    cost = f", {record.cost_usd:.2f} USD" if record.cost_usd is not None else ""
    return f"{record.job_name}: {record.steps} steps{losses}, {time}{cost}"
