"""Check a run's promotion rules for surprises."""

from __future__ import annotations

from collections.abc import Iterator

from include.aws.calls import find_imported_model
from include.aws.clients import AwsClients
from include.config.model import ModelConfig
from include.config.suites import MAIN, Suite
from include.preflight.asking import Check, guarded
from include.preflight.findings import Finding
from include.promotion.sample_size import margin_note


def check_promotion(config: ModelConfig) -> Iterator[Finding]:
    """Yield a note if no threshold applies to a model's first version."""
    judged = any(suite.thresholds or suite.category_thresholds for suite in config.suites if suite.effect != "informs")
    if config.promotion == "auto" and not judged:
        yield Finding(
            "info",
            "promotion",
            config.model_name,
            "the model has no thresholds, so a person is asked while it has no champion",
            "Set evaluation.thresholds if a first version is to be promoted without a person.",
        )


def check_baseline(config: ModelConfig, clients: AwsClients) -> Check[None]:
    """Yield a warning if the baseline is no imported model: versions would be shown without it."""
    if name := config.comparison.baseline:
        yield from guarded("baseline", name, "bedrock:GetImportedModel", _find_baseline(name, clients))


def _find_baseline(name: str, clients: AwsClients) -> Check[None]:
    if find_imported_model(clients.bedrock, name) is None:
        found = f"there is no imported model of this name or ARN in {clients.region_name}"
        yield Finding("warning", "baseline", name, found, "Correct comparison.baseline, or import the model.")


def check_margin(config: ModelConfig, suite: Suite, records: int) -> Iterator[Finding]:
    """Yield what so many records of a suite can show about a version, where it may be promoted without a person."""
    if config.promotion == "auto" and suite.effect == "decides":
        remedy = "Nothing is to be done if a person may be asked: better and much worse versions need fewer records."
        where = config.model_name if suite.name == MAIN else f"{config.model_name}, suite {suite.name}"
        yield Finding("info", "promotion", where, margin_note(records, config.comparison.margin), remedy)
