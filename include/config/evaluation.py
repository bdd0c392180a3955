"""The part of a model's configuration that says how the imported model is measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationInfo, WithJsonSchema, field_validator

from include.config.part import Part, Prompt, Score, Text
from include.evaluation.classification import MOST_LABELS
from include.evaluation.likelihood import (
    INVERSE_PERPLEXITY,
    LIKELIHOOD,
    LIKELIHOOD_FORMAT,
    Choice,
    OfAnswers,
    require_different,
)
from include.evaluation.metric_choice import MetricChoice, is_accuracy
from include.evaluation.metrics import MACRO_F1, SCORES
from include.evaluation.requests import CHAT_FORMATS, CHOICE_FORMATS, RequestFormat
from include.evaluation.responses import GUARDRAIL_INTERVENED
from include.evaluation.robustness import Robustness

#: The name of a score: one of ``SCORES``, as the form of a model without a file has them, or the label of a metric that
#: the evaluation names.
Metric = Annotated[str, WithJsonSchema({"type": "string", "enum": list(SCORES)})]
#: So that reports stay readable, and the registry can hold the compared scores with their intervals.
MOST_METRICS = 6
StopSequence = Annotated[str, StringConstraints(min_length=1)]
#: Airflow's form shows a field of several lines.
_MULTILINE: dict[str, Any] = {"format": "multiline"}


def _require_guardrail(metrics: Iterable[str], info: ValidationInfo) -> None:
    """Raise ValueError if the metrics count a guardrail's interventions and the evaluation has no guardrail."""
    if GUARDRAIL_INTERVENED in metrics and not info.data.get("guardrail_id"):
        raise ValueError(f"{GUARDRAIL_INTERVENED} needs guardrail_id")


class EvaluationConfig(Part):
    """How the imported model is measured."""

    dataset: Text = Field(
        description="JSON Lines, JSON, CSV or Parquet, by its ending: a file or `s3://bucket/key`. A record has a "
        "question, one or more accepted answers (a list, or `<OR>` between them), and optionally a category.",
        examples=["include/demo/capitals_eval.jsonl", "s3://bucket/questions.parquet"],
    )
    question_location: Text = Field(
        default="question",
        description="Where the question is: a column's name or a JMESPath expression, with after() and item() as well.",
    )
    answer_location: Text = Field(default="answer", description="Where the accepted answers are, in the same way.")
    category_location: Text = Field(default="category", description="Where the category is, if there is one.")
    columns: tuple[Text, ...] = Field(
        default=(), max_length=10, description="Further values of a record that your own metrics read, in the same way."
    )
    log_first_record: bool = Field(
        default=True, description="Show in preflight's log how the first record is asked; off for confidential data."
    )
    sample: int | None = Field(
        default=None, ge=1, description="Ask only so many records, drawn at random; empty: ask all of them."
    )
    seed: int = Field(default=0, ge=0, description="Seed of everything drawn: sample, examples, intervals.")
    body_format: RequestFormat = Field(
        default="OpenAICompletion",
        description="How the model is asked. `OpenAICompletion` and `BedrockCompletion` send the filled template as it "
        "is; `OpenAIChatCompletion` and `Converse` send messages, for the model's own chat template.",
    )
    prompt_template: Prompt = Field(
        default="{question}",
        description="What is sent to the model; `{question}` stands for the record's question.",
        json_schema_extra=_MULTILINE,
    )
    system_prompt: Prompt | None = Field(
        default=None,
        description="System message; only for `OpenAIChatCompletion` and `Converse`.",
        json_schema_extra=_MULTILINE,
    )
    few_shot_dataset: Text | None = Field(
        default=None,
        description="Data set from which examples are drawn and shown before each question, in the same forms as "
        "`dataset`; questions that are asked are not shown.",
    )
    few_shot_examples: int = Field(
        default=3, ge=1, le=32, description="How many examples are shown, if there is a data set of them."
    )
    stop: tuple[StopSequence, ...] | None = Field(
        default=None, max_length=4, description="Texts at which an answer ends; the answer is cut there."
    )
    choices: tuple[Choice, ...] = Field(
        default=(),
        max_length=MOST_LABELS,
        description="Texts of which every answer is one, such as the labels of a classification; empty: any text. Only "
        "for `OpenAICompletion` and `OpenAIChatCompletion`.",
    )
    max_tokens: int = Field(default=64, ge=1, le=4096, description="Longest answer, in tokens.")
    temperature: float = Field(
        default=0.0, ge=0, le=1, description="0: the same answers every time; above: answers are drawn without a seed."
    )
    guardrail_id: str | None = Field(
        default=None,
        pattern=r"^([a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+)$",
        description="Bedrock guardrail through which questions and answers go; empty: none.",
    )
    guardrail_version: str = Field(
        default="DRAFT", pattern=r"^([1-9][0-9]{0,7}|DRAFT)$", description="Version of the guardrail."
    )
    concurrency: int = Field(
        default=8, ge=1, le=64, description="How many questions are asked at a time, at most; fewer while throttled."
    )
    metrics: tuple[MetricChoice, ...] = Field(
        default=(),
        max_length=MOST_METRICS,
        description="Scores that are compared with the champion's; those that not every evaluation has are computed "
        "for it. An entry is a name, or a name with a section of parameters; empty: the scores with a threshold, or "
        "F1, are compared.",
    )
    thresholds: dict[Metric, Score] = Field(
        default={},
        description="Lowest mean score, per metric, with which a model may be promoted; without any, a person is asked "
        "about a model that has no champion yet.",
    )
    category_thresholds: dict[str, dict[Metric, Score]] = Field(
        default={},
        description="The same within a category, by its name; `*` stands for every category.",
        examples=[{"*": {"f1": 0.5}}],
    )

    @field_validator("system_prompt")
    @classmethod
    def _needs_messages(cls, system_prompt: str | None, info: ValidationInfo) -> str | None:
        if system_prompt and info.data.get("body_format") not in CHAT_FORMATS:
            raise ValueError(f"needs body_format {' or '.join(CHAT_FORMATS)}; else put it into prompt_template")
        return system_prompt

    @field_validator("choices")
    @classmethod
    def _can_be_chosen_from(cls, choices: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if choices and info.data.get("body_format") not in CHOICE_FORMATS:
            raise ValueError(f"needs body_format {' or '.join(CHOICE_FORMATS)}: Bedrock documents it for no other")
        if len(choices) == 1:
            raise ValueError("must be two or more: every answer would be the same")
        return require_different(choices)

    @field_validator("metrics")
    @classmethod
    def _labels_differ(cls, metrics: tuple[MetricChoice, ...], info: ValidationInfo) -> tuple[MetricChoice, ...]:
        labels = [choice.label for choice in metrics]
        _require_guardrail(labels, info)
        if repeated := next((label for label in labels if labels.count(label) > 1), None):
            raise ValueError(f"{repeated!r} names more than one of them: give another name with `as`")
        if sum(map(is_accuracy, metrics)) > 1:
            raise ValueError("accuracy can be named once: a record has one label")
        further = [one.further for one in metrics if one.further]
        scores = [*SCORES, *(one.label for one in metrics if not one.is_own and one.further is None)]
        for score in (one.score for one in further if isinstance(one, Robustness)):
            if score not in scores:
                raise ValueError(f"robustness of {score!r}: its score is one of {', '.join(dict.fromkeys(scores))}")
        if any(isinstance(one, OfAnswers) for one in further) and info.data.get("body_format") != LIKELIHOOD_FORMAT:
            names = f"{LIKELIHOOD} and {INVERSE_PERPLEXITY}"
            raise ValueError(f"{names} need body_format {LIKELIHOOD_FORMAT}, whose prompts have log probabilities")
        return metrics

    @field_validator("thresholds", "category_thresholds")
    @classmethod
    def _known(cls, thresholds: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Refuse what is neither a score of every evaluation nor one of its metrics; a function may return several."""
        inner = thresholds.values() if info.field_name == "category_thresholds" else [thresholds]
        names = [name for scores in inner for name in scores]
        _require_guardrail(names, info)
        chosen: tuple[MetricChoice, ...] | None = info.data.get("metrics")
        if chosen is None:  # they are refused themselves
            return thresholds
        known = [*SCORES, *(name for choice in chosen for name in choice.score_names if name not in SCORES)]
        known += [MACRO_F1] if any(map(is_accuracy, chosen)) else []
        own = [choice.label for choice in chosen if choice.is_own]
        for name in names:
            if name not in known and name.partition(".")[0] not in own:
                raise ValueError(f"{name!r} is not a score of this evaluation: one of {', '.join(known)}")
        return thresholds
