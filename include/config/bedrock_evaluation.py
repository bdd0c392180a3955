"""The part of a model's configuration that has a Bedrock evaluation job score the model's answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from include.config.part import Part

#: A foundation model's or a system-defined inference profile's id or ARN; botocore's EvaluatorModelIdentifier admits
#: no application inference profile.
EVALUATOR_MODEL = (
    r"^([a-z0-9-]{1,63}\.[a-z0-9][a-z0-9.:-]*"
    r"|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:"
    r"(:foundation-model/[a-z0-9.:-]+|[0-9]{12}:inference-profile/[a-zA-Z0-9.:-]+))$"
)
#: https://docs.aws.amazon.com/bedrock/latest/userguide/model-evaluation-type-judge-prompt.html
EvaluatorMetric = Literal[
    "Correctness", "Completeness", "Faithfulness", "Helpfulness", "Coherence", "Relevance", "FollowingInstructions",
    "ProfessionalStyleAndTone", "Harmfulness", "Stereotyping", "Refusal",
]  # fmt: skip


class BedrockEvaluationConfig(Part):
    """A Bedrock evaluation job: an evaluator model scores the answers of the main suite; its scores are shown only."""

    evaluator_model: str = Field(
        pattern=EVALUATOR_MODEL,
        max_length=2048,
        description="Id or ARN of the foundation model or inference profile that scores the answers.",
        examples=["amazon.nova-pro-v1:0"],
    )
    metrics: tuple[EvaluatorMetric, ...] = Field(
        default=("Correctness", "Completeness"),
        min_length=1,
        max_length=11,
        description="Bedrock's built-in metrics for evaluator models, without `Builtin.`.",
    )
    records: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="At most so many records, drawn at random; Bedrock takes 1,000. The evaluator is asked once per "
        "record and metric.",
    )
