"""The parameters response_format and structured_outputs: what an answer must match.

Source: "Advanced API features for imported models" in the Bedrock User Guide; structured_outputs is vLLM's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.inference import Constraint, ConstraintKind

ANY_OBJECT = {"type": "object"}


class ResponseFormat(BaseModel):
    """OpenAI's parameter. The schema is a member of json_schema, or, as in the User Guide's examples, json_schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema belongs to type json_schema, and must be there")
        return self

    def constraint(self) -> Constraint | None:
        """Return what the answer must match; None for any text."""
        if self.type == "text":
            return None
        given: Mapping[str, Any] = self.json_schema or ANY_OBJECT
        schema = given["schema"] if isinstance(given.get("schema"), dict) else given
        return Constraint(ConstraintKind.JSON, json.dumps(schema))


class StructuredOutputs(BaseModel):
    """vLLM's parameter: exactly one of these."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    json_: dict[str, Any] | str | None = Field(None, alias="json")
    regex: str | None = None
    choice: list[str] | None = Field(None, min_length=1)
    grammar: str | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> StructuredOutputs:
        if len(self._given()) != 1:
            raise ValueError("give exactly one of json, regex, choice and grammar")
        return self

    def constraint(self) -> Constraint:
        """Return what the answer must match."""
        ((kind, value),) = self._given().items()
        return Constraint(kind, value if isinstance(value, str) else json.dumps(value))

    def _given(self) -> dict[ConstraintKind, Any]:
        values = {
            ConstraintKind.JSON: self.json_,
            ConstraintKind.REGEX: self.regex,
            ConstraintKind.CHOICE: self.choice,
            ConstraintKind.GRAMMAR: self.grammar,
        }
        return {kind: value for kind, value in values.items() if value is not None}


def constraint_of(response_format: ResponseFormat | None, outputs: StructuredOutputs | None) -> Constraint | None:
    """Return the constraint of the two parameters. Raises InvalidRequestError for both at once."""
    if response_format and outputs:
        raise InvalidRequestError(
            "Malformed input request: give either response_format or structured_outputs, not both."
        )
    chosen = response_format or outputs
    return chosen.constraint() if chosen else None
