"""What a test scripts: the bodies of the requests to /_local_aws/bedrock/<name>; see ../COVERAGE.md."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from include.local_aws.bedrock.errors import SCRIPTABLE

EVERY_MODEL = "*"


class Script(BaseModel):
    """The body of one request of a test."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ImportFailure(Script):
    """The next import job fails with this message."""

    message: str = "The import failed because a test said so."


class CallFault(Script):
    """The next calls, or every n-th of the next seconds, fail or lose their connection.

    Of one operation or any, and of the model with one ARN or any.
    """

    calls: int = Field(default=1, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    every: int = Field(default=1, ge=1)
    operation: str | None = None
    model: str | None = None
    code: str = "ThrottlingException"
    message: str = "This answer was scripted by a test."
    connection: Literal["drop_before", "drop_after"] | None = None

    def is_of(self, operation: str, model: str | None) -> bool:
        """Return whether it applies to a call of this operation and, if it is one of the runtime, this model."""
        return self.operation in (None, operation) and self.model in (None, model)

    @field_validator("code")
    @classmethod
    def _is_known(cls, code: str) -> str:
        if code not in SCRIPTABLE:
            raise ValueError(f"one of {', '.join(SCRIPTABLE)}")
        return code

    @model_validator(mode="after")
    def _counts_within_a_time(self) -> Self:
        if self.every > 1 and self.seconds is None:
            raise ValueError("every needs seconds")
        return self


class ExpiredKey(Script):
    """From now on calls signed with this key fail with ExpiredTokenException."""

    access_key_id: str


class Cold(Script):
    """For this long every model answers that it is not ready."""

    seconds: float = Field(ge=0)


class FixedAnswer(Script):
    """Models answer with this text, `{prompt}` being what was asked, after this time; an empty object ends it."""

    text: str | None = None
    latency_seconds: float = Field(default=0, ge=0)


class Guardrail(Script):
    """A guardrail that answers its message where a question or an answer holds a blocked word."""

    identifier: str
    version: str = "DRAFT"
    blocked: tuple[str, ...] = ()
    message: str = "The guardrail blocked this."


class Judge(Script):
    """A foundation model, or an inference profile with ``routes_to``, that compares the two answers of a question.

    ``by_question`` names the better answer to a question, ``prefers`` decides the others.
    """

    model: str
    prefers: Literal["first", "second", "longer", "shorter", "tie"] = "tie"
    by_question: dict[str, str] = {}
    unreadable_every: int | None = Field(default=None, ge=1)
    latency_seconds: float = Field(default=0, ge=0)
    routes_to: tuple[str, ...] = ()
    on_demand: bool = True
    status: Literal["ACTIVE", "LEGACY"] = "ACTIVE"


class EvaluationScores(Script):
    """The scores that evaluation jobs give from now on, by metric and by prompt and metric; 1.0 where none is named.

    None stands for a record that the evaluator could not score.
    """

    scores: dict[str, float | None] = {}
    by_prompt: dict[str, dict[str, float | None]] = {}

    def score(self, prompt: str, metric: str) -> float | None:
        """Return the score of the answer to a prompt."""
        return {**{metric: 1.0}, **self.scores, **self.by_prompt.get(prompt, {})}[metric]


class EvaluationFailure(Script):
    """The next evaluation job fails with these messages."""

    messages: tuple[str, ...] = Field(default=("The evaluation failed because a test said so.",), min_length=1)


class LegacyBodyFormat(Script):
    """These models (names, ARNs, or "*") answer prompt + max_tokens in the format of imports before 2025-11-11."""

    models: tuple[str, ...] = (EVERY_MODEL,)


class RefusedConverse(Script):
    """Converse refuses these models (names, ARNs, or "*"), as several users report of imported models."""

    models: tuple[str, ...] = (EVERY_MODEL,)


class UnknownResource(Script):
    """The error for a job or model that does not exist: both codes were seen."""

    code: Literal["ResourceNotFoundException", "ValidationException"] = "ValidationException"


class Nothing(Script):
    """An empty object."""
