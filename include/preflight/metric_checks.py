"""Check the metrics of a suite before the first question: each one scores a record that is answered correctly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.config.account import AccountConfig
from include.config.suites import Suite
from include.errors import ModelImportError
from include.evaluation.dataset import Record
from include.evaluation.errors import LabelsUnusableError
from include.evaluation.further_questions import FurtherQuestions
from include.evaluation.likelihood import OfAnswers, check_accepted
from include.evaluation.metric_choice import MetricChoice, is_accuracy
from include.evaluation.metrics import MACRO_F1, SCORES, Observation
from include.evaluation.prompts import render, with_answer
from include.evaluation.suite_metrics import load_metrics
from include.preflight.findings import Finding


def check_metrics(subject: str, suite: Suite, account: AccountConfig, records: Sequence[Record]) -> Iterator[Finding]:
    """Yield what is wrong with the metrics of a suite, and thresholds of scores that none of them returns.

    Args:
        subject: the suite's name for messages.
        suite: the suite.
        account: the account's settings, which name the packages of the team's own metrics.
        records: what will be asked; the first accepted answer of the first record stands for the model's.
    """
    for column in suite.columns:
        if all(record.columns[column] is None for record in records):
            yield Finding("error", subject, column, "no record has this column", "Correct it in `columns`.")
    known, failed = set(SCORES), False
    for choice in suite.metrics:
        try:
            if choice.further:
                known |= set(choice.score_names)
                yield _further(subject, choice.label, choice.further, suite, records)
            else:
                known |= _names(choice, account, records)
        except ModelImportError as error:
            failed = True
            yield Finding("error", subject, choice.metric, error.finding, error.remedy)
    thresholds = (suite.thresholds, *suite.category_thresholds.values())
    missing = sorted({name for scores in thresholds for name in scores} - known)
    if missing and not failed:
        found = f"the metrics return no score of this name, but {', '.join(sorted(known))}"
        yield Finding("error", subject, missing[0], found, "Correct the thresholds, or the metric.")


def check_choices(subject: str, suite: Suite, records: Sequence[Record]) -> Iterator[Finding]:
    """Yield whether a record accepts none of the suite's choices: no answer to it would be right."""
    try:
        if suite.choices:
            check_accepted(records, suite.choices)
    except LabelsUnusableError as error:
        yield Finding("error", subject, "choices", error.finding, "Add the answer to `choices`, or correct the record.")


def _further(subject: str, label: str, metric: FurtherQuestions, suite: Suite, records: Sequence[Record]) -> Finding:
    """Return how many questions the metric asks.

    Raises:
        LabelsUnusableError: the records do not fit the metric.
        PromptEndError: the prompt does not.
    """
    questions = metric.questions(records, suite.seed)
    if isinstance(metric, OfAnswers):
        for question in questions:
            with_answer(render(suite.prompt_template, question.question), question.answer)
    what = "the prompts with each answer" if isinstance(metric, OfAnswers) else "the records with changes"
    return Finding("info", subject, label, f"it asks {len(questions)} further questions: {what}")


def _names(choice: MetricChoice, account: AccountConfig, records: Sequence[Record]) -> set[str]:
    loaded, record = load_metrics((choice,), account.allowed_metric_packages, records), records[0]
    observation = Observation(record.accepted_answers, record.accepted_answers[0], latency_seconds=1.0, output_tokens=1)
    names = {name for metric in loaded.metrics for name in metric.scores(record, observation)}
    return names | {MACRO_F1} if is_accuracy(choice) else names
