"""From a data set to the folder that a training job reads.

The folder holds `train.safetensors`, `held_out.safetensors`, `tokenizer/`, `settings.json` for the training script, and
`data_report.json` with the page `data_report.html`. The same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.checkpoint.errors import OutputExistsError
from include.checkpoint.files.atomic import partial_of, sync, write_file
from include.checkpoint.files.json_files import format_json
from include.checkpoint.writing.disk import named_when_full
from include.config.account import AccountConfig
from include.config.model import ModelConfig
from include.config.training import TrainingConfig
from include.evaluation.dataset import Dataset
from include.run.evaluation_set import read_evaluation_sets
from include.sources.fingerprint import describe_folder, fingerprint
from include.training.conversations import Conversation
from include.training.data_report import DataReport, InputFile, Side
from include.training.errors import TrainingSectionMissingError
from include.training.example_files import ExampleFile
from include.training.gathering import Gathered, gather
from include.training.job_settings import job_settings
from include.training.page import render_page
from include.training.progress import Report
from include.training.prompt_check import check_chat_template, check_training
from include.training.records import RecordReader, open_training_file
from include.training.split_writer import HELD_OUT, TRAIN, SplitWriter
from include.training.spool import Spool
from include.training.tokenizers import write_tokenizer

log = logging.getLogger(__name__)
TOKENIZER, REPORT, PAGE, SETTINGS = "tokenizer", "data_report.json", "data_report.html", "settings.json"


@dataclass(frozen=True)
class Preparation:
    """What is prepared, and where to.

    ``base`` is a folder with the base, or with its tokenizer alone where ``base_digest``, the fingerprint of all its
    files, is given.
    """

    config: ModelConfig
    account: AccountConfig
    base: Path
    out: Path
    s3: Any = None
    base_digest: str = ""
    report: Report = field(default=log.info)

    @property
    def training(self) -> TrainingConfig:
        """The section of the model's file.

        Raises:
            TrainingSectionMissingError: there is none.
        """
        if self.config.training is None:
            raise TrainingSectionMissingError(self.config.model_name)
        return self.config.training


def prepare(job: Preparation) -> DataReport:
    """Write the folder ``job.out``, which appears only when it is whole, and return the report that it holds.

    Raises:
        TrainingSectionMissingError: the model's file says nothing about training.
        OutputExistsError: there is such a folder.
        ModelImportError: one of the errors in ``include/training/errors.py``, or of reading data and tokenizer.
    """
    out, training = job.out.absolute(), job.training
    if out.exists():
        raise OutputExistsError(str(out))
    work = partial_of(out)
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    work.mkdir(parents=True)
    try:
        with named_when_full(work):
            report = _prepare(job, training, work)
            sync(work)
            work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return report


def _prepare(job: Preparation, training: TrainingConfig, work: Path) -> DataReport:
    evaluations = read_evaluation_sets(job.config, job.account, job.s3)
    tokenizer = write_tokenizer(job.base, training.chat_template, job.account, work / TOKENIZER)
    check_chat_template(tokenizer, training.chat_template)

    def check(first: Sequence[Conversation]) -> None:
        check_training(tokenizer, training, job.config.evaluation, first)

    with (
        open_training_file(training.data, job.account, job.s3, work) as opened,
        Spool(work / "records") as spool,
    ):
        records = RecordReader(opened, training.format, training.select)
        gathered = gather(records, spool, training, evaluations, check, job.report)
        writing = SplitWriter(tokenizer, training, work)
        writing.write(spool, gathered, job.report)
        sides = writing.finish()
        data = InputFile(uri=training.data, sha256=opened.digest)
    report = _report(job, training, (data, evaluations), gathered, writing, sides, work)
    settings = job_settings(training, job.config.base, report.train.digest, report.base_digest)
    write_file(work / SETTINGS, format_json(settings))
    write_file(work / PAGE, render_page(report).encode())
    write_file(work / REPORT, report.model_dump_json(indent=1).encode())
    return report


def _report(
    job: Preparation,
    training: TrainingConfig,
    inputs: tuple[InputFile, tuple[Dataset, ...]],
    gathered: Gathered,
    writing: SplitWriter,
    sides: tuple[ExampleFile, ExampleFile],
    work: Path,
) -> DataReport:
    data, evaluations = inputs
    files = sorted((work / TOKENIZER).iterdir())
    template = writing.tokenizer.chat_template
    return DataReport(
        model_name=job.config.model_name,
        data=data,
        evaluations=tuple(InputFile(uri=dataset.uri, sha256=dataset.digest) for dataset in evaluations),
        base_digest=job.base_digest or fingerprint(describe_folder(job.base), (), {}),
        chat_template=training.chat_template,
        chat_template_sha256=hashlib.sha256(template.encode()).hexdigest(),
        tokenizer_sha256={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        settings=training.model_dump(mode="json"),
        records=gathered.counts,
        examples=writing.counts(),
        lengths=writing.lengths(),
        train=Side(file=TRAIN, **sides[0]._asdict()),
        held_out=Side(file=HELD_OUT, **sides[1]._asdict()),
        samples=tuple(writing.samples),
    )
