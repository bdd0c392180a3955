"""The metrics that a suite names, each with its parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Self, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_serializer, model_validator

from include.evaluation.further_questions import FurtherQuestions
from include.evaluation.likelihood import INVERSE_PERPLEXITY, LIKELIHOOD, InversePerplexity, Likelihood
from include.evaluation.metrics import MACRO_F1, METRICS, SCORES
from include.evaluation.record_metrics import RECORD_METRICS, accuracy
from include.evaluation.robustness import ROBUSTNESS, Robustness
from include.team_functions import FUNCTION

#: The metrics that ask more than the questions of the data set.
FURTHER: Mapping[str, type[FurtherQuestions]] = {
    ROBUSTNESS: Robustness,
    LIKELIHOOD: Likelihood,
    INVERSE_PERPLEXITY: InversePerplexity,
}
#: The key among the parameters that gives the score another name than the metric's.
AS = "as"
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class MetricChoice(BaseModel):
    """A metric of a suite: an entry of ``metrics``, which is a name, or a name with a section of parameters.

    ``metric`` is one of ``SCORES``, ``RECORD_METRICS`` or ``FURTHER``, or a function of the team's own as
    ``module:function``. ``label`` names its score in reports and thresholds. It is read from, and written as, the form
    of a model's file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    parameters: Mapping[str, Any] = {}
    label: str

    @property
    def further(self) -> FurtherQuestions | None:
        """The parameters of a metric that asks further questions; None for other metrics."""
        kind = FURTHER.get(self.metric)
        return kind.model_validate(dict(self.parameters)) if kind else None

    @property
    def score_names(self) -> tuple[str, ...]:
        """The names of the scores; those of a function of the team's own are known once it has scored a record."""
        return self.further.score_names(self.label) if self.further else (self.label,)

    @property
    def is_own(self) -> bool:
        """Whether it is a function of the team's own."""
        return FUNCTION.fullmatch(self.metric) is not None

    @model_validator(mode="before")
    @classmethod
    def _from_entry(cls, entry: Any) -> Any:
        if isinstance(entry, str):
            entry = {entry: {}}
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise ValueError("must be the name of a metric, or one name with a section of parameters")
        [(metric, given)] = entry.items()
        if not isinstance(given or {}, Mapping):
            raise ValueError(f"the parameters of {metric} must be a section of `name: value` lines")
        parameters = dict(given or {})
        label = parameters.pop(AS, str(metric).rpartition(":")[2])
        return {"metric": metric, "parameters": parameters, "label": label}

    @field_validator("label")
    @classmethod
    def _usable_label(cls, label: str) -> str:
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{AS} must be up to 40 letters, digits, hyphens and underscores, with a letter first")
        return label

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.metric in SCORES:
            if self.parameters or self.label != self.metric:
                raise ValueError(f"{self.metric} has no parameters")
        elif kind := FURTHER.get(self.metric):
            kind.model_validate(dict(self.parameters))
        elif self.metric in RECORD_METRICS:
            _parameter_model(RECORD_METRICS[self.metric]).model_validate(dict(self.parameters))
        elif not self.is_own:
            raise ValueError(
                f"one of {', '.join((*SCORES, *RECORD_METRICS, *FURTHER))}, or a function of yours as module:function"
            )
        if self.label != self.metric and self.label in (*METRICS, MACRO_F1):
            raise ValueError(f"{self.label!r} names another metric: give another name with `{AS}`")
        return self

    @model_serializer
    def _entry(self) -> Any:
        named = {} if self.label == self.metric.rpartition(":")[2] else {AS: self.label}
        parameters = {**self.parameters, **named}
        return {self.metric: parameters} if parameters else self.metric


def is_accuracy(choice: MetricChoice) -> bool:
    """Return whether it is ``accuracy``, with which a report has macro F1 and a confusion matrix as well."""
    return choice.metric == accuracy.__name__


@cache
def _parameter_model(function: Callable[..., Any]) -> type[BaseModel]:
    """Return a model of the keyword parameters of a metric; aliases, since a field cannot be called ``schema``."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        f"{name}_": (hints[name], Field(... if one.default is one.empty else one.default, alias=name))
        for name, one in inspect.signature(function).parameters.items()
        if one.kind is one.KEYWORD_ONLY
    }
    return create_model(f"{function.__name__}_parameters", __config__=ConfigDict(extra="forbid"), **fields)
