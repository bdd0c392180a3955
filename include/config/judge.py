"""The part of a model's configuration that has a language model compare its answers with the champion's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from include.config.part import Part, Text
from include.config.suites import Suite, SuiteName

#: A foundation model's or an inference profile's id or ARN. Imported models are measured; they do not judge.
JUDGE_MODEL = (
    r"^([a-z0-9-]{1,63}\.[a-z0-9][a-z0-9.:-]*"
    r"|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:"
    r"(:foundation-model/[a-z0-9.:-]+|[0-9]{12}:(application-)?inference-profile/[a-zA-Z0-9.:-]+))$"
)
JudgeEffect = Literal["informs", "asks"]


class TokenPrices(Part):
    """What the judge's tokens cost, in US dollars per million."""

    input: float = Field(ge=0, description="Price of a million input tokens in US dollars.")
    output: float = Field(ge=0, description="Price of a million output tokens in US dollars.")


class JudgeConfig(Part):
    """The judge: a language model on Bedrock that compares the version's answers with the champion's."""

    model: str = Field(
        pattern=JUDGE_MODEL,
        max_length=2048,
        description="Id or ARN of a foundation model or an inference profile on Bedrock; it is asked by Converse.",
        examples=["amazon.nova-pro-v1:0", "us.anthropic.claude-sonnet-4-20250514-v1:0"],
    )
    effect: JudgeEffect = Field(
        default="informs",
        description="informs: its judgement is only shown; asks: a person is asked when it prefers the champion. It "
        "never promotes or refuses.",
    )
    rubric: str | None = Field(
        default=None, min_length=1, max_length=20_000, description="What makes an answer better; empty: the default."
    )
    rubric_file: Text | None = Field(
        default=None, description="The same as a text file or `s3://bucket/key`, in place of `rubric`."
    )
    suites: tuple[SuiteName, ...] = Field(
        default=(), description="Names of the suites whose answers are compared; empty: the main one."
    )
    records: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="At most so many records of a suite, drawn at random. Each takes two questions a repetition, none "
        "if both answers are the same.",
    )
    repetitions: int = Field(
        default=1, ge=1, le=5, description="How often each pair of answers is judged in either order."
    )
    temperature: float | None = Field(
        default=0.0, ge=0, le=1, description="Sampling of the judge; `null`: not sent, for models that refuse it."
    )
    dollars_per_million_tokens: TokenPrices | None = Field(
        default=None, description="Prices with which the report says what the judge cost; empty: tokens only."
    )

    @field_validator("rubric_file")
    @classmethod
    def _one_rubric(cls, rubric_file: str | None, info: ValidationInfo) -> str | None:
        if rubric_file and info.data.get("rubric"):
            raise ValueError("give rubric or rubric_file, not both")
        return rubric_file

    @property
    def questions_per_record(self) -> int:
        """How often the judge is asked about a record whose answers differ: in both orders, each repetition."""
        return 2 * self.repetitions


def judged_suites(judge: JudgeConfig, suites: Sequence[Suite]) -> tuple[Suite, ...]:
    """Return the suites whose answers the judge compares; ``suites`` are all, the main one first."""
    return tuple(suite for suite in suites if suite.name in judge.suites) if judge.suites else (suites[0],)


def problem_of_judge(judge: JudgeConfig | None, suites: Sequence[Suite]) -> str | None:
    """Return what is wrong with the judge's suites; None if nothing is."""
    names = [suite.name for suite in suites]
    unknown = [name for name in (judge.suites if judge else ()) if name not in names]
    return f"judge.suites: {unknown[0]!r} is no suite; there are {', '.join(names)}" if unknown else None
