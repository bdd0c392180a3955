"""The lines in which the training prints its losses, and the regular expressions that SageMaker finds them with.

Standard library only: the request that starts a job imports METRIC_DEFINITIONS from here.
"""

from __future__ import annotations

NUMBER = r"(-?[0-9]+(?:\.[0-9]+)?)"

METRICS = {
    "train:loss": "train_loss",
    "train:learning_rate": "learning_rate",
    "train:gradient_norm": "gradient_norm",
    "train:tokens_per_second": "tokens_per_second",
    "held_out:loss": "held_out_loss",
}
"""SageMaker's name of each metric → its name in a line."""

METRIC_DEFINITIONS = [{"Name": name, "Regex": f"\\b{key}={NUMBER}"} for name, key in METRICS.items()]
"""AlgorithmSpecification.MetricDefinitions of CreateTrainingJob."""


def metric_line(step: int, steps: int, **values: float) -> str:
    """Return one line of the log; numbers are decimal, never in scientific notation."""
    return f"step={step} of {steps} " + " ".join(f"{name}={_decimal(value)}" for name, value in values.items())


def _decimal(value: float) -> str:
    return f"{value:.8f}".rstrip("0").rstrip(".")
