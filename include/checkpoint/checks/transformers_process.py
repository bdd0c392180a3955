"""Bedrock's transformers in a process of its own: what reads files of others there has limits and no credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.checkpoint.files.defects import TextInvalidError
from include.checkpoint.files.folder import METADATA_FILES, is_hf_weights
from include.checkpoint.files.json_files import MAX_JSON_BYTES, other_encodings, read_text
from include.checkpoint.files.reading import RangeReader, read
from include.checkpoint.files.segments import Checkpoint
from include.limited_process import Limits
from include.prepared_process import Answer, PreparedProcess

#: For a question about a small file. The largest vocabularies take seconds and several hundred megabytes.
SMALL = Limits(seconds=180, memory_bytes=4 * 2**30, output_bytes=64 * 2**20)
TRANSFORMERS_PROCESS = PreparedProcess(
    "include.checkpoint.checks.loading",
    {
        **{"USE_TF": "0", "USE_FLAX": "0", "HF_HUB_OFFLINE": "1"},
        **{"TOKENIZERS_PARALLELISM": "false", "OPENBLAS_NUM_THREADS": "1"},
    },
)


def ask_transformers(question: str, limits: Limits = SMALL, **job: Any) -> Answer:
    """Return what ``loading`` answers; raises ProcessNotStartedError."""
    return TRANSFORMERS_PROCESS.ask(question, job, limits)


@contextmanager
def small_files(checkpoint: Checkpoint, reader: RangeReader) -> Iterator[Path]:
    """Yield a temporary folder with the checkpoint's files but for the weights.

    A file in another encoding than UTF-8 is there in UTF-8: its encoding is a defect by itself, and what else is wrong
    with it is looked for all the same.
    """
    others = other_encodings(checkpoint, reader)
    with TemporaryDirectory() as temporary:
        for file in checkpoint.files:
            if file.name not in METADATA_FILES or is_hf_weights(file.name) or file.size > MAX_JSON_BYTES:
                continue
            data = read(file, 0, file.size, reader)
            if file.name in others:
                with suppress(TextInvalidError):
                    data = read_text(file, reader).encode(errors="surrogatepass")
            (Path(temporary) / file.name).write_bytes(data)
        yield Path(temporary)
