"""Several evaluations of one model: each is a suite with a name, and with an effect on the promotion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints

from include.config.evaluation import EvaluationConfig, Metric

#: The name of the only suite of a model's file that has `evaluation` in place of `evaluations`.
MAIN = "evaluation"
DEFAULT_METRIC: Metric = "f1"
#: So that report, approval request and XCom stay readable.
MOST_SUITES = 10

SuiteEffect = Literal["decides", "blocks", "informs"]
SuiteName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
#: The fields of a suite that an evaluation does not have.
_OWN_FIELDS = ("name", "effect")


class Suite(EvaluationConfig):
    """One of several evaluations."""

    name: SuiteName = Field(description="Name of the suite in logs, report and approval request.")
    effect: SuiteEffect = Field(
        default="decides",
        description="decides: must be shown to be not worse than the champion's; blocks: prevents a promotion when it "
        "is below a threshold or shown to be worse; informs: is only shown.",
    )

    @classmethod
    def of(cls, evaluation: EvaluationConfig) -> Self:
        """Return the suite that a model's file with `evaluation` has."""
        return cls(name=MAIN, **evaluation.model_dump(exclude_unset=True))

    @property
    def compared_metrics(self) -> tuple[Metric, ...]:
        """The metrics that are compared with the champion's: never empty."""
        return tuple(choice.label for choice in self.metrics) or tuple(self.thresholds) or (DEFAULT_METRIC,)

    @property
    def needed_metrics(self) -> tuple[Metric, ...]:
        """The metrics that a decision looks up: those that are compared, and those with a threshold."""
        thresholds = (self.thresholds, *self.category_thresholds.values())
        return tuple(dict.fromkeys([*self.compared_metrics, *(name for scores in thresholds for name in scores)]))


def suites_in_order(suites: Sequence[Suite]) -> tuple[Suite, ...]:
    """Return the suites with the main one first: the first that decides."""
    main = next((suite for suite in suites if suite.effect == "decides"), None)
    return (main, *(suite for suite in suites if suite is not main)) if main else tuple(suites)


def with_main_evaluation(values: Any) -> Any:
    """Return a model's values with the main suite as its `evaluation`, if they have `evaluations` only.

    Values of a wrong form are left as they are: validation names what is wrong with them.
    """
    if (
        not isinstance(values, dict)
        or "evaluation" in values
        or not isinstance(values.get("evaluations"), list | tuple)
    ):
        return values
    suites = [suite for suite in values["evaluations"] if isinstance(suite, dict)]
    if not suites:
        return values
    main = next((suite for suite in suites if suite.get("effect", "decides") == "decides"), suites[0])
    return values | {"evaluation": {key: value for key, value in main.items() if key not in _OWN_FIELDS}}


def problem_of_suites(
    suites: Sequence[Suite], evaluation: EvaluationConfig, run_may_change: Sequence[str]
) -> str | None:
    """Return what is wrong with the suites together; None if nothing is, or there are none."""
    if not suites:
        return None
    names = [suite.name for suite in suites]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        return f"evaluations: {repeated[0]!r} names more than one of them"
    main = suites_in_order(suites)[0]
    if main.effect != "decides":
        return "evaluations: none of them decides; give one of them `effect: decides`"
    if main.model_dump(exclude={*_OWN_FIELDS}) != evaluation.model_dump():
        return "give evaluation or evaluations, not both"
    if open_fields := [path for path in run_may_change if path.startswith("evaluation.")]:
        return f"run_may_change: {open_fields[0]} cannot be set by a run of a model with evaluations"
    return None
