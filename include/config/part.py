"""The base class of the parts of a model's configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Score = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must hold more than white space")
    return text


#: Sent as it is: many a template ends with a line break.
Prompt = Annotated[str, StringConstraints(min_length=1), AfterValidator(_not_blank)]


class Part(BaseModel):
    """A part of a model's file; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def field_paths(kind: type[Part], inside: str = "") -> Iterator[str]:
    """Yield each field of a part and of the parts in it, as a model's file nests them: ``evaluation.sample``."""
    for name, field in kind.model_fields.items():
        path = f"{inside}{name}"
        yield path
        for option in (field.annotation, *get_args(field.annotation)):
            if isinstance(option, type) and issubclass(option, Part):
                yield from field_paths(option, f"{path}.")
