"""Whether Bedrock's transformers prepares images as the model was trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from include.checkpoint.checks import model_defects as defects
from include.checkpoint.checks.transformers_process import ask_transformers
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.folder import PREPROCESSOR, PROCESSOR
from include.checkpoint.files.json_files import read_json_if_any
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint

_JOINED = "image_processor"


def processor_defects(checkpoint: Checkpoint, folder: Path, reader: RangeReader) -> Iterator[Defect]:
    """Defects of the image processor of a vision model, whose files are in ``folder`` too."""
    try:
        joined = read_json_if_any(checkpoint, PROCESSOR, reader)
        read_json_if_any(checkpoint, PREPROCESSOR, reader)
    except Defect as defect:
        yield defect
        return
    if _JOINED in joined:
        yield defects.ProcessorJoinedError(PROCESSOR, f"{_JOINED} in {PREPROCESSOR}", "both in one file")
    elif PREPROCESSOR not in checkpoint.names():
        yield defects.ImageProcessorMissingWarning(PREPROCESSOR, "a file of this name", "none")
    else:
        values, ended = ask_transformers("image processor", folder=str(folder))
        if problem := ended or values[0].get("problem"):
            yield defects.ImageProcessorUnusableError(PREPROCESSOR, "values that make an image processor", problem)
        elif ignored := values[0]["ignored"]:
            yield defects.ImageSizeIgnoredWarning(PREPROCESSOR, f"size of {ignored['said']}", f"{ignored['read']}")
