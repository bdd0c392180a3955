"""The part of a model's configuration that says how applications learn which imported model is the champion."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from include.config.part import Part, Text
from include.team_functions import FUNCTION

#: The publisher that sends an EventBridge event.
EVENT = "event"


def _is_publisher(name: str) -> str:
    if name != EVENT and not FUNCTION.fullmatch(name):
        raise ValueError(f"expected {EVENT}, or a function of yours as module:function")
    return name


class CanaryConfig(Part):
    """A new champion first gets a share of the calls, for some minutes."""

    share: float = Field(gt=0, lt=1, description="Share of the applications' calls that the new champion gets.")
    minutes: int = Field(ge=1, le=24 * 60, description="Minutes after which the switch is finished.")
    max_error_rate: float = Field(
        ge=0,
        lt=1,
        description="Share of the new champion's calls that may fail; above it, the promotion is taken back.",
    )


class PublishConfig(Part):
    """Where the champion is published: always in a parameter of AWS Systems Manager, then to the publishers."""

    publishers: tuple[Annotated[Text, AfterValidator(_is_publisher)], ...] = Field(
        default=(EVENT,),
        description="What is notified after the parameter has changed, in this order: `event` sends an "
        "EventBridge event to the default bus; `module:function` calls a function of yours.",
    )
    grace_hours: int = Field(
        default=24,
        ge=0,
        le=24 * 30,
        description="Hours for which the imported model that the parameter named before stays imported, for "
        "applications that have not noticed the change yet.",
    )
    canary: CanaryConfig | None = Field(
        default=None, description="Give a new champion a share of the calls first; empty: all of them at once."
    )
