"""Check what a fine-tune needs before any work: settings, names, account, base, data, template and prompt."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.aws.clients import AwsClients
from include.aws.s3_uri import is_s3_uri
from include.aws.transient import transient_cause
from include.config.account import AccountConfig
from include.config.model import ModelConfig
from include.config.training import TrainingConfig
from include.errors import ModelImportError
from include.preflight.account_checks import check_bucket, check_credentials, region_in_use, unset_setting
from include.preflight.asking import Check, collected, guarded
from include.preflight.caller import Identity
from include.preflight.checks import notify
from include.preflight.findings import Finding
from include.preflight.input_checks import check_base, check_evaluations
from include.preflight.training_permissions import TrainingTarget
from include.preflight.training_role import check_permissions

if TYPE_CHECKING:
    from include.sources.source import Source

#: So many of the first records are tried; all of them are when the data is prepared.
TRIED_RECORDS = 200
#: Of a data set in S3, no more than this is read before the run begins; a larger one is looked into when prepared.
MAX_TRIED_BYTES = 256 * 2**20
_DATA = "training data"


def training_preflight(config: ModelConfig, clients: AwsClients, workspace: Path) -> Source | None:
    """Check everything that a fine-tune needs, without reading weights, and log the findings.

    Returns the description of the base, or None if the caller may not read it.

    Args:
        config: the run's configuration, complete with the account's settings, with a section ``training``.
        clients: boto3 clients used to query the account.
        workspace: the folder in which this run may write; it is created.

    Raises:
        PreflightFailedError: names everything that is wrong, with its remedy.
    """
    findings, base = collected(_checks(config, clients, workspace))
    notify(findings)
    return base


def _checks(config: ModelConfig, clients: AwsClients, workspace: Path) -> Check[Source | None]:
    training = config.training
    if training is None:
        return None
    yield from _settings(config.account, training)
    yield from _account(config, clients)
    base = yield from check_base(config, clients)
    yield from check_evaluations(config, clients)
    data = _data(config, training, base, clients, workspace)
    yield from guarded(_DATA, training.data, "s3:GetObject", data)
    return base


def _settings(account: AccountConfig, training: TrainingConfig) -> Iterator[Finding]:
    yield from (unset_setting(field) for field in ("bucket", "training_role_arn") if not getattr(account, field))
    if not (training.job.image or account.training_image):
        yield unset_setting("training_image", "training.job.image")


def _account(config: ModelConfig, clients: AwsClients) -> Check[None]:
    account = config.account
    region_name = yield from guarded("connection", account.aws_conn_id, "a region", region_in_use(clients))
    if region_name is None:
        return
    asked = check_credentials(clients, account.aws_conn_id)
    identity = yield from guarded("credentials", account.aws_conn_id, "sts:GetCallerIdentity", asked)
    if identity is None:
        return
    bucket_found = None
    if account.bucket:
        bucket = check_bucket(clients.s3, account.bucket, region_name, identity.account_id)
        bucket_found = yield from guarded("bucket", account.bucket, "s3:ListBucket on it", bucket)
    if bucket_found and account.training_role_arn:
        yield from check_permissions(clients, _target(config, identity, region_name), identity)


def _target(config: ModelConfig, identity: Identity, region_name: str) -> TrainingTarget:
    return TrainingTarget(
        partition=identity.partition,
        region_name=region_name,
        account_id=identity.account_id,
        bucket=str(config.account.bucket),
        prefix=config.account.prefix.strip("/"),
        model_name=config.model_name,
        role_arn=str(config.account.training_role_arn),
    )


def _data(
    config: ModelConfig, training: TrainingConfig, base: Source | None, clients: AwsClients, workspace: Path
) -> Check[None]:
    """Yield what is wrong with the first records, the chat template, or the evaluation's prompt."""
    workspace.mkdir(parents=True, exist_ok=True)
    try:
        if is_s3_uri(training.data) and (size := _size(training.data, clients.s3)) > MAX_TRIED_BYTES:
            found = f"{size / 2**20:.0f} MiB: it is looked into when it is prepared"
            yield Finding("info", _DATA, training.data, found, "Nothing is to be done.")
            return
        with tempfile.TemporaryDirectory(dir=workspace) as folder:
            yield _tried(config, training, base, clients.s3, Path(folder))
    except ModelImportError as error:
        if transient_cause(error):
            raise
        yield Finding("error", _DATA, training.data, error.finding, error.remedy or "Correct it.")


def _size(data: str, s3: Any) -> int:
    from include.sources.prefix import pin_object

    return pin_object(s3, data).size


def _tried(config: ModelConfig, training: TrainingConfig, base: Source | None, s3: Any, folder: Path) -> Finding:
    """Return a note about the first records; raises one of the errors in ``include/training/errors.py``."""
    from include.training.prompt_check import check_training
    from include.training.records import RecordReader, open_training_file

    with open_training_file(training.data, config.account, s3, folder) as opened:
        first = list(islice(RecordReader(opened, training.format, training.select), TRIED_RECORDS))
    tokenizer = _tokenizer(config, training, base, s3, folder) if first else None
    if tokenizer is not None:
        check_training(tokenizer, training, config.evaluation, first)
    text = f"the first {len(first)} records are of the format {training.format}"
    return Finding("info", _DATA, training.data, text if first else "no record among the first is used")


def _tokenizer(config: ModelConfig, training: TrainingConfig, base: Source | None, s3: Any, folder: Path) -> Any:
    """Return the tokenizer that the model is trained with; None of a base that must be fetched and unpacked first."""
    from include.run.base_tokenizer import tokenizer_folder
    from include.training.tokenizers import write_tokenizer

    if base is None or not base.in_place:
        return None
    found = tokenizer_folder(base, config, folder / "base", s3)
    return write_tokenizer(found, training.chat_template, config.account, folder / "tokenizer")
