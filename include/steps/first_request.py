"""Ask a version the first request of its applications."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.errors import ModelImportError
from include.evaluation.asking import Patience
from include.evaluation.dataset import Record
from include.evaluation.invocation import ask_all
from include.evaluation.results import PromptSettings
from include.publishing.errors import ChampionDoesNotAnswerError

QUESTION, MAX_TOKENS = "Hello", 16


def ask_first(
    bedrock_runtime: Any, imported_model_arn: str, prompt: PromptSettings, patience: Patience, *, moved: bool
) -> None:
    """Ask a short question in the body format and with the guardrail of the version's evaluation.

    Args:
        bedrock_runtime: a client of the runtime.
        imported_model_arn: the version's imported model.
        prompt: how it was asked when it was evaluated.
        patience: how long a cold model may take to answer.
        moved: whether applications are pointed to it already, for the error.

    Raises:
        ChampionDoesNotAnswerError: there was no answer.
    """
    record = Record(index=0, question=QUESTION, answer="")
    short = prompt.model_copy(update={"max_tokens": MAX_TOKENS, "examples": ()})
    with TemporaryDirectory() as folder:
        try:
            ask_all(
                bedrock_runtime,
                imported_model_arn,
                [record],
                short,
                answers_path=Path(folder) / "answer.jsonl",
                concurrency=1,
                patience=patience,
            )
        except ModelImportError as error:
            raise ChampionDoesNotAnswerError(imported_model_arn, moved, error) from error
