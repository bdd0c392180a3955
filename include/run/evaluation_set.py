"""The evaluation set of a run, and its prompt settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from include.aws.s3_uri import is_s3_uri
from include.config.account import AccountConfig
from include.config.evaluation import EvaluationConfig
from include.config.model import ModelConfig
from include.evaluation.dataset import Dataset, Locations, read_dataset
from include.evaluation.prompts import choose_examples
from include.evaluation.results import PromptSettings
from include.run.local_paths import local_path


def read_evaluation_set(dataset: str, settings: EvaluationConfig, account: AccountConfig, s3: Any) -> Dataset:
    """Read a data set that a model's file names; raises what ``read_dataset`` raises.

    Raises:
        LocalPathOutsideError: it is a file that may not be read.
    """
    locations = Locations(
        settings.question_location, settings.answer_location, settings.category_location, settings.columns
    )
    place = dataset if is_s3_uri(dataset) else local_path(dataset, account)
    return replace(read_dataset(place, locations, s3), uri=dataset)


def read_evaluation_sets(config: ModelConfig, account: AccountConfig, s3: Any) -> tuple[Dataset, ...]:
    """Read the data sets of all suites, the main one first; raises what ``read_evaluation_set`` raises."""
    return tuple(read_evaluation_set(suite.dataset, suite, account, s3) for suite in config.suites)


def prompt_settings(settings: EvaluationConfig, asked: Dataset, account: AccountConfig, s3: Any) -> PromptSettings:
    """Return the prompt settings, with the few-shot examples drawn.

    Raises:
        FewShotExamplesError: there are too few examples; also what ``read_evaluation_set`` raises.
    """
    examples: tuple[tuple[str, str], ...] = ()
    if settings.few_shot_dataset:
        shown = read_evaluation_set(settings.few_shot_dataset, settings, account, s3)
        examples = choose_examples(shown, settings.few_shot_examples, asked.records, settings.seed)
    return plain_prompt(settings).model_copy(update={"examples": examples})


def plain_prompt(settings: EvaluationConfig) -> PromptSettings:
    """Return the prompt settings without few-shot examples."""
    return PromptSettings(
        body_format=settings.body_format,
        prompt_template=settings.prompt_template,
        system_prompt=settings.system_prompt,
        stop=settings.stop or (),
        choices=settings.choices,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        guardrail_id=settings.guardrail_id,
        guardrail_version=settings.guardrail_version if settings.guardrail_id else None,
    )
