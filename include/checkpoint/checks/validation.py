"""Find every defect of a checkpoint before the import job fails at the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pydantic import BaseModel

from include.checkpoint.checks.config_checks import config_defects
from include.checkpoint.checks.generation_checks import TokenIds, generation_defects
from include.checkpoint.checks.index_checks import file_defects
from include.checkpoint.checks.processor_checks import processor_defects
from include.checkpoint.checks.real_load import load_defects
from include.checkpoint.checks.template_checks import template_defects
from include.checkpoint.checks.tensor_checks import tensor_defects
from include.checkpoint.checks.tokenizer_checks import CONFIG, ModelFacts, examine_tokenizer
from include.checkpoint.checks.transformers_process import TRANSFORMERS_PROCESS, small_files
from include.checkpoint.checks.weights import Weights, read_weights
from include.checkpoint.errors import CheckpointInvalidError
from include.checkpoint.files.defects import ConfigMissingError, Defect, Severity, TextEncodingError
from include.checkpoint.files.json_files import UTF8, other_encodings, read_json
from include.checkpoint.files.reading import LOCAL, RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.service.limits import TRANSFORMERS, Limits, load_limits

NOT_LOADED: AbstractContextManager[Path | None] = nullcontext()


class DefectRecord(BaseModel, frozen=True):
    """One defect; ``defect`` is the name of its class."""

    defect: str
    severity: Severity
    what: str
    file: str
    expected: str
    found: str
    remedy: str

    def line(self) -> str:
        """One line for a log."""
        return f"{self.defect}: {self.what}: {self.file}; expected {self.expected}; found {self.found}. {self.remedy}"


class ValidationReport(BaseModel, frozen=True):
    """All defects of a checkpoint. Without errors, Bedrock can read it, as far as can be known here."""

    errors: tuple[DefectRecord, ...]
    warnings: tuple[DefectRecord, ...]
    summary: str


def validate(
    checkpoint: Checkpoint,
    reader: RangeReader = LOCAL,
    *,
    loaded_from: AbstractContextManager[Path | None] = NOT_LOADED,
) -> ValidationReport:
    """Check files, headers, configuration, tensors and tokenizer against what Bedrock imports.

    Correct is what Bedrock's transformers loads: names, shapes and ties of the tensors, the tokenizer with its ids, the
    generation settings, and the chats that it renders. Of the weights only headers and samples are read.

    Args:
        checkpoint: what to check.
        reader: reads its sources.
        loaded_from: opens the same checkpoint as an ordinary folder, or None; it is loaded from there as well, and
            computes one forward pass, unless the other checks found an error.
    """
    TRANSFORMERS_PROCESS.start()  # its imports take seconds, which can pass while headers are read
    limits = load_limits()
    weights = read_weights(checkpoint, reader)
    defects = list(_defects(checkpoint, weights, limits, reader))
    if not any(defect.severity == "error" for defect in defects):
        with loaded_from as folder:
            defects += load_defects(folder, checkpoint.size) if folder else ()
    records = tuple(dict.fromkeys(_record(defect) for defect in defects))
    errors = tuple(record for record in records if record.severity == "error")
    warnings = tuple(record for record in records if record.severity == "warning")
    source = f"limits as of {limits.checkpoint.as_of}, {TRANSFORMERS}"
    summary = (
        f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')} in {_counted(checkpoint.files, 'file')}: "
        f"{len(weights.tensors)} tensors, {checkpoint.size:,} bytes; {source}"
    )
    return ValidationReport(errors=errors, warnings=warnings, summary=summary)


def raise_on_defects(report: ValidationReport) -> None:
    """Raise CheckpointInvalidError when the report has errors."""
    if report.errors:
        raise CheckpointInvalidError(report.summary, "\n".join(record.line() for record in report.errors))


def _defects(checkpoint: Checkpoint, weights: Weights, limits: Limits, reader: RangeReader) -> Iterator[Defect]:
    for name, encoding in other_encodings(checkpoint, reader).items():
        yield TextEncodingError(name, f"text in {UTF8}", encoding)
    config, found = _read_config(checkpoint, reader)
    yield from found
    yield from weights.defects
    yield from file_defects(checkpoint, weights, reader)
    if config is not None:
        yield from config_defects(config, weights, limits)
        yield from tensor_defects(checkpoint, config, weights, reader, limits)
    config = config or {}
    rows = _vocabulary_size(config, weights)
    model = ModelFacts(str(config.get("model_type", "")), rows, limits.checkpoint.tokenizer_classes)
    with small_files(checkpoint, reader) as folder:
        tokenizer, found = examine_tokenizer(checkpoint, folder, model, reader)
        yield from found
        if CONFIG in checkpoint.names():
            yield from template_defects(checkpoint, tokenizer.tokens, reader)
        architecture = limits.architectures.supported.get(model.model_type)
        if architecture and architecture.modality == "multimodal":
            yield from processor_defects(checkpoint, folder, reader)
        yield from generation_defects(checkpoint, folder, config, TokenIds(rows, tokenizer.end_id), reader)


def _vocabulary_size(config: Mapping[str, object], weights: Weights) -> int | None:
    """Return the number of rows of the embedding, or config.json's vocab_size if no file holds it."""
    said = config.get("vocab_size")
    return weights.embedding_rows or (said if isinstance(said, int) else None)


def _read_config(checkpoint: Checkpoint, reader: RangeReader) -> tuple[dict[str, object] | None, list[Defect]]:
    if "config.json" not in checkpoint.names():
        return None, [ConfigMissingError("config.json", "a file of this name", ", ".join(checkpoint.names()[:8]))]
    try:
        return read_json(checkpoint.file("config.json"), reader), []
    except Defect as defect:
        return None, [defect]


def _record(defect: Defect) -> DefectRecord:
    return DefectRecord(
        defect=type(defect).__name__,
        severity=defect.severity,
        what=defect.what,
        file=defect.which,
        expected=defect.expected,
        found=defect.found,
        remedy=defect.remedy,
    )


def _counted(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
