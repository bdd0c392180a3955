"""Identify what a fine-tune is made of, by content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.aws.s3_uri import is_s3_uri
from include.config.model import ModelConfig
from include.config.training import TrainingConfig
from include.run.evaluation_set import read_evaluation_sets
from include.run.inputs import cache_folder
from include.run.local_paths import local_path
from include.sources.fingerprint import fingerprint
from include.training.fingerprint import TrainingContent, content_settings, file_digest, script_digest

if TYPE_CHECKING:
    from include.sources.source import Source


def training_content(config: ModelConfig, training: TrainingConfig, base: Source, s3: Any) -> TrainingContent:
    """Return the content of a run with this configuration, as data, base and evaluation are now.

    Raises what reading them raises; of a base, only metadata is read.
    """
    template = training.chat_template
    return TrainingContent(
        data=_data_digest(training.data, config, s3),
        evaluation=" ".join(dataset.digest for dataset in read_evaluation_sets(config, config.account, s3)),
        base=fingerprint(base.files, (), {}),
        settings=content_settings(training),
        script=script_digest(),
        chat_template=file_digest(local_path(template, config.account)) if template.endswith(".jinja") else "",
    )


def _data_digest(data: str, config: ModelConfig, s3: Any) -> str:
    """Return what identifies the data's content; an object in S3 is not read where S3 has its checksum."""
    from include.sources.prefix import describe_objects, pin_object

    if not is_s3_uri(data):
        return file_digest(local_path(data, config.account))
    pins = {"data": pin_object(s3, data)}
    return fingerprint(describe_objects(s3, data, pins, cache_folder(config) / "checksums"), (), {})
