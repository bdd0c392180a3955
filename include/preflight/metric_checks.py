"""Check the metrics of a suite before the first question: each one scores a record that is answered correctly."""

from __future__ import annotations

from collections.abc import Iterator

from include.config.account import AccountConfig
from include.config.suites import Suite
from include.errors import ModelImportError
from include.evaluation.dataset import Record
from include.evaluation.metric_choice import MetricChoice
from include.evaluation.metrics import SCORES, Observation
from include.evaluation.suite_metrics import load_metrics
from include.preflight.findings import Finding


def check_metrics(subject: str, suite: Suite, account: AccountConfig, record: Record) -> Iterator[Finding]:
    """Yield what is wrong with the metrics of a suite, and thresholds of scores that none of them returns.

    Args:
        subject: the suite's name for messages.
        suite: the suite.
        account: the account's settings, which name the packages of the team's own metrics.
        record: a record of the data set; its first accepted answer stands for the model's.
    """
    known, failed = set(SCORES), False
    for choice in suite.metrics:
        try:
            known |= _names(choice, account, record)
        except ModelImportError as error:
            failed = True
            yield Finding("error", subject, choice.metric, error.finding, error.remedy)
    thresholds = (suite.thresholds, *suite.category_thresholds.values())
    missing = sorted({name for scores in thresholds for name in scores} - known)
    if missing and not failed:
        found = f"the metrics return no score of this name, but {', '.join(sorted(known))}"
        yield Finding("error", subject, missing[0], found, "Correct the thresholds, or the metric.")


def _names(choice: MetricChoice, account: AccountConfig, record: Record) -> set[str]:
    loaded = load_metrics((choice,), account.allowed_metric_packages)
    observation = Observation(record.accepted_answers, record.accepted_answers[0], latency_seconds=1.0, output_tokens=1)
    return {name for metric in loaded.metrics for name in metric.scores(record, observation)}
