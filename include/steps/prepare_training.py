"""Bring to S3 what a training job reads: the base, the prepared data, and the script with its settings."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.aws.clients import AwsClients
from include.aws.s3 import read_object_if_any
from include.aws.s3_uri import S3Uri, is_s3_uri
from include.run.base_tokenizer import tokenizer_folder
from include.run.inputs import describe
from include.steps.kept_checkpoints import in_workspace
from include.steps.prepare import prepared_source
from include.steps.training_content import training_content
from include.steps.training_results import TrainingDataResult
from include.training.errors import TrainingInputsChangedError
from include.training.job_request import CODE, DATA, job_request
from include.training.plan import TrainingPlan

if TYPE_CHECKING:
    from include.sources.source import Source
    from include.training.data_report import DataReport

log = logging.getLogger(__name__)
_PREPARED, _TOKENIZER, _REPORT = "prepared", "tokenizer-of-base", "data_report.json"


@in_workspace
def prepare_training(plan: TrainingPlan, clients: AwsClients) -> TrainingDataResult:
    """Prepare and deliver the job's inputs, unless they are in S3 already; return the request for the job.

    Raises:
        TrainingInputsChangedError: data, base or evaluation have changed since the plan was made.
        ModelImportError: one of the errors in ``include/training/errors.py``.
    """
    base = describe(plan.config.base, plan.config, clients.s3, clients.sagemaker)
    _check_unchanged(plan, base, clients.s3)
    report = _stored_report(plan, clients.s3) or _prepared(plan, base, clients.s3)
    for line in report.summary():
        log.info("%s", line)
    base_uri = _delivered_base(plan, base, clients.s3)
    return TrainingDataResult(
        data_report_uri=plan.uri(_REPORT),
        data_digest=report.train.digest,
        examples=report.train.examples,
        tokens=report.train.tokens,
        request=job_request(plan, base_uri),
    )


def _check_unchanged(plan: TrainingPlan, base: Source, s3: Any) -> None:
    found = training_content(plan.config, plan.training, base, s3).fingerprint
    if found != plan.content:
        raise TrainingInputsChangedError(plan.config.model_name, plan.content, found)


def _stored_report(plan: TrainingPlan, s3: Any) -> DataReport | None:
    """Return the report of data that was prepared before; it is written last, so the other files are there too."""
    from include.training.data_report import DataReport

    uri = plan.uri(_REPORT)
    body = read_object_if_any(s3, uri)
    if body is None:
        return None
    log.info("The data is prepared already: %s", uri)
    return DataReport.model_validate_json(body)


def _prepared(plan: TrainingPlan, base: Source, s3: Any) -> DataReport:
    from include.training.preparation import Preparation, prepare

    out = plan.workspace_file(_PREPARED)
    shutil.rmtree(out, ignore_errors=True)  # of an earlier try
    folder = tokenizer_folder(base, plan.config, plan.workspace_file(_TOKENIZER), s3)
    job = Preparation(plan.config, plan.config.account, folder, out, s3, base_digest=plan.base_digest)
    report = prepare(job)
    _check_unchanged(plan, base, s3)  # of what may have changed while it was read
    _upload(plan, out, s3)
    return report


def _upload(plan: TrainingPlan, out: Path, s3: Any) -> None:
    """Send the channels, and the report last."""
    from include.training.fingerprint import script_files
    from include.training.split_writer import HELD_OUT, TRAIN

    places = {
        out / TRAIN: f"{DATA}/train/{TRAIN}",
        out / HELD_OUT: f"{DATA}/held_out/{HELD_OUT}",
        out / "settings.json": f"{CODE}/settings.json",
        out / "data_report.html": "data_report.html",
        **{path: f"{DATA}/train/tokenizer/{path.name}" for path in (out / "tokenizer").iterdir()},
        **{path: f"{CODE}/{path.name}" for path in script_files()},
        out / _REPORT: _REPORT,
    }
    for path, name in places.items():
        uri = S3Uri.parse(plan.uri(name))
        s3.upload_file(str(path), uri.bucket, uri.key)
    log.info("The job's data and script are at %s", plan.uri(""))


def _delivered_base(plan: TrainingPlan, base: Source, s3: Any) -> str:
    """Return the prefix in S3 with the base as the script reads it, and nothing else; copy it there if necessary."""
    from include.checkpoint.writing.progress import LogProgress
    from include.delivery.manifest import find_delivered
    from include.delivery.transfer import TransferSettings
    from include.delivery.upload import upload
    from include.sources.prefix import list_prefix

    manifest_key, prefix = f"{plan.base_prefix}/manifest.json", f"{plan.base_prefix}/checkpoint/"
    uri = str(S3Uri(plan.bucket, prefix))
    if find_delivered(s3, plan.bucket, manifest_key):
        return uri
    prepared = prepared_source(base, plan.config, plan.files.folder, s3)
    if (
        not prepared.changed
        and is_s3_uri(base.uri)
        and {file.name for file in base.files} == set(list_prefix(s3, base.uri))
    ):
        return f"{base.uri}/"
    upload(
        s3,
        prepared.checkpoint,
        plan.bucket,
        prefix,
        manifest_key=manifest_key,
        fingerprint=plan.base_digest,
        proof=None,
        progress=LogProgress("Uploading the base"),
        settings=TransferSettings(bytes_per_second=plan.config.account.bytes_per_second),
    )
    return uri
