"""Preflight of the inputs: base, adapter, evaluation set and prompt, read by their headers alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from include.config import EvaluationConfig, ModelConfig
from include.errors import ModelImportError
from include.plan import project_path
from include.preflight.findings import Finding


def _kind_of(folder: Path) -> str:
    from include.checkpoint.inspection import inspect

    return inspect(str(folder)).kind


def _check_folder(role: str, folder: Path, expected: tuple[str, ...]) -> Iterator[Finding]:
    try:
        kind = _kind_of(folder)
    except ModelImportError as error:
        yield Finding("error", role, str(folder), str(error), f"Give a folder that holds a {role}.")
        return
    if kind not in expected:
        yield Finding(
            "error",
            role,
            str(folder),
            f"it holds a checkpoint of kind {kind}",
            f"Give one of kind {' or '.join(expected)}.",
        )


def _check_evaluation(evaluation: EvaluationConfig) -> Iterator[Finding]:
    from include.evaluation.dataset import read_dataset
    from include.evaluation.prompts import check_template

    path = project_path(evaluation.dataset)
    try:
        read_dataset(path)
        check_template(evaluation.prompt_template)
    except ModelImportError as error:
        yield Finding("error", "evaluation", evaluation.dataset, str(error), "Correct it: no answer could be scored.")


def check_inputs(config: ModelConfig) -> Iterator[Finding]:
    """Yield every finding about what the run reads."""
    yield from _check_folder("base model", project_path(config.base), ("hf", "raw_mistral"))
    if config.adapter:
        yield from _check_folder("adapter", project_path(config.adapter), ("adapter",))
    yield from _check_evaluation(config.evaluation)
