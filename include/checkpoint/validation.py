"""Every defect of a checkpoint at once, before Bedrock finds the first of them."""

from __future__ import annotations

from pydantic import BaseModel

from include.checkpoint.config_checks import config_defects
from include.checkpoint.defects import ConfigMissingError, Defect, Severity
from include.checkpoint.errors import CheckpointInvalidError
from include.checkpoint.index_checks import file_defects
from include.checkpoint.json_files import read_json
from include.checkpoint.reading import LOCAL, RangeReader
from include.checkpoint.segments import Checkpoint
from include.checkpoint.tensor_checks import tensor_defects
from include.checkpoint.tokenizer_checks import tokenizer_defects
from include.checkpoint.weights import read_weights
from include.limits import load_limits


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
    """All defects; a checkpoint without errors is one that Bedrock reads as far as can be known here."""

    errors: tuple[DefectRecord, ...]
    warnings: tuple[DefectRecord, ...]
    summary: str


def validate(checkpoint: Checkpoint, reader: RangeReader = LOCAL) -> ValidationReport:
    """Check files, headers, configuration, tensors and tokenizer against what Bedrock imports.

    Names, shapes and ties are those that transformers 4.51.3 expects. Of the weights only headers and samples are read.
    """
    limits = load_limits()
    config, defects = _read_config(checkpoint, reader)
    weights = read_weights(checkpoint, reader)
    defects += weights.defects
    defects += file_defects(checkpoint, weights, reader)
    if config is not None:
        defects += config_defects(config, weights, limits)
        defects += tensor_defects(checkpoint, config, weights, reader, limits)
    defects += tokenizer_defects(checkpoint, config or {}, reader, limits.checkpoint.tokenizer_classes)
    records = tuple(dict.fromkeys(_record(defect) for defect in defects))
    errors = tuple(record for record in records if record.severity == "error")
    warnings = tuple(record for record in records if record.severity == "warning")
    source = f"limits as of {limits.checkpoint.as_of}, transformers {limits.checkpoint.transformers_version}"
    summary = (
        f"{len(errors)} errors, {len(warnings)} warnings in {len(checkpoint.files)} files: "
        f"{len(weights.tensors)} tensors, {checkpoint.size:,} bytes; {source}"
    )
    return ValidationReport(errors=errors, warnings=warnings, summary=summary)


def raise_on_defects(report: ValidationReport) -> None:
    """Raise CheckpointInvalidError when the report has errors."""
    if report.errors:
        raise CheckpointInvalidError(report.summary, "\n".join(record.line() for record in report.errors))


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
