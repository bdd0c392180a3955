"""The section of a version's report about the fine-tune that its adapter comes from."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import ValidationError

from include.aws.clients import AwsClients
from include.aws.s3 import request
from include.aws.s3_uri import S3Uri
from include.aws.transient import NO_ANSWER
from include.errors import ModelImportError
from include.reporting.training_content import LengthHistogram, Losses, SplitSide, TrainingContent
from include.run.plan import ImportPlan
from include.service.training_instances import cost_words
from include.sources.location import S3Location, SageMakerLocation, parse_location
from include.sources.sagemaker import locate
from include.training.data_report import DataReport, Side
from include.training.training_record import FineTuneRecord, read_record, record_uri_beside

log = logging.getLogger(__name__)

METHODS = {
    "lora": "LoRA: the base in bfloat16 while the adapter is trained",
    "qlora": "QLoRA: the base in 4 bits (nf4) while the adapter is trained; merged into its weights in bfloat16",
}


def training_section(plan: ImportPlan, clients: AwsClients) -> TrainingContent | None:
    """Return the section; None unless the adapter comes from a training job that this project started.

    For the report only: a record that cannot be read is no failure.
    """
    from botocore.exceptions import ClientError

    try:
        record = _record(plan.config.adapter, clients)
    except (ModelImportError, ClientError, *NO_ANSWER) as error:
        log.warning("The report does not show the training: %s", error)
        return None
    if record is None:
        return None
    data = _data_report(clients.s3, record.data_report_uri)
    return training_content(record, data, plan.config.evaluation.prompt_template)


def _record(adapter: str | None, clients: AwsClients) -> FineTuneRecord | None:
    location = parse_location(adapter) if adapter else None
    if isinstance(location, SageMakerLocation):
        location = locate(location, clients.sagemaker)
    if not isinstance(location, S3Location) or not (uri := record_uri_beside(location.uri)):
        return None
    return read_record(clients.s3, uri)


def _data_report(s3: Any, uri: str) -> DataReport | None:
    try:
        answer: Any = request(s3, "get_object", uri, S3Uri.parse(uri).arguments)
        return DataReport.model_validate_json(answer["Body"].read())
    except (ModelImportError, ValidationError, *NO_ANSWER) as error:
        log.warning("The report does not show the training data: %s", error)
        return None


def training_content(record: FineTuneRecord, data: DataReport | None, asked_with: str) -> TrainingContent:
    """Return the section of a fine-tune; ``asked_with`` is the prompt template of the evaluation."""
    losses = tuple(Losses(point.step, point.train, point.held_out) for point in record.loss)
    return TrainingContent(
        summary=_summary(record),
        losses=losses,
        facts=tuple((name, value) for name, value in _facts(record, data, asked_with).items() if value),
        **_profile(data) if data else {},
    )


def _summary(record: FineTuneRecord) -> str:
    measured = [point for point in record.loss if point.held_out is not None]
    ends = (f"{point.held_out:.3f} at step {point.step:,}" for point in (*measured[:1], *measured[1:][-1:]))
    losses = f"; loss of held-out examples {', '.join(ends)}" if measured else ""
    return f"{record.steps:,} steps, {record.tokens:,} tokens{losses}."


def _profile(data: DataReport) -> dict[str, Any]:
    lengths = data.lengths
    caption = (
        f"Lengths of the examples before anything was left out: half are up to {lengths.median:,} tokens, 99 % up to "
        f"{lengths.percentile_99:,}, the longest has {lengths.longest:,}"
    )
    counts = [("rows read", data.records.rows), *data.left_out(), ("records used", data.records.used), *data.changed()]
    samples = data.shown_samples()
    return {
        "lengths": LengthHistogram(lengths.edges, lengths.counts, lengths.limit, caption),
        "sides": (_side("train", data.train), _side("held out", data.held_out)),
        "counts": tuple(counts),
        "sample": tuple(samples[0]) if samples else (),
    }


def _side(name: str, side: Side) -> SplitSide:
    return SplitSide(name, side.examples, side.tokens, side.trained_tokens)


def _facts(record: FineTuneRecord, data: DataReport | None, asked_with: str) -> dict[str, str]:
    settings = record.settings
    adapter = settings.get("lora", {})
    return {
        "Training job": record.job_arn,
        "Data": f"{record.data.uri} ({record.data.format}), prepared data {record.data_digest}",
        "Report of the data": record.data_report_uri,
        "Base": record.base,
        "Method": METHODS.get(str(settings.get("method")), ""),
        "Adapter": ", ".join(f"{name} {value}" for name, value in adapter.items()),
        "Schedule": ", ".join(
            f"{name.replace('_', ' ')} {settings[name]}"
            for name in ("epochs", "learning_rate", "warmup", "batch_tokens", "max_sequence_length", "seed")
            if name in settings
        ),
        "Trained with": f"chat template {data.chat_template}" if data else "",
        "Asked with": asked_with,
        "Time": _time(record),
        "Cost": f"{cost_words(record.cost_usd, record.on_demand_cost_usd)} (list prices)",
        "Packages": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }


def _time(record: FineTuneRecord) -> str:
    spot = " (spot)" if record.spot else ""
    attempts = f", attempt {record.attempts}" if record.attempts > 1 else ""
    return (
        f"{_minutes(record.training_seconds)} of training, {_minutes(record.billable_seconds)} billed, on "
        f"{record.instances} {record.instance_type}{spot}{attempts}"
    )


def _minutes(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{seconds / 60:.1f} min"
