"""The tokenizer of a base model, without its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.aws.s3_uri import is_s3_uri
from include.config.model import ModelConfig
from include.run.inputs import fetch

if TYPE_CHECKING:
    from include.sources.source import Source


def tokenizer_folder(base: Source, config: ModelConfig, folder: Path, s3: Any) -> Path:
    """Return a folder with the base's tokenizer; of a base in S3, its other files are not read.

    Args:
        base: the base model; what cannot be read by range is fetched as a whole.
        config: the run's configuration.
        folder: where the files of a base in S3 are written to; made if it is missing.
        s3: S3 client.
    """
    from include.checkpoint.files.folder import TOKENIZER_FILES
    from include.checkpoint.files.reading import UriReader
    from include.sources.patient_reader import PatientReader

    found = fetch(base, config, s3, as_folder=False).uri
    if not is_s3_uri(found):
        return Path(found)
    folder.mkdir(parents=True, exist_ok=True)
    reader = PatientReader(UriReader(s3))
    for file in base.files:
        if file.name in TOKENIZER_FILES:
            (folder / file.name).write_bytes(reader.read(f"{found}/{file.name}", 0, file.size))
    return folder
