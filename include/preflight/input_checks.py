"""Check base, adapter, evaluation set and prompt; of weights, only headers are read."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import TYPE_CHECKING, Literal

from include.aws.clients import AwsClients
from include.aws.transient import transient_cause
from include.config.model import ModelConfig
from include.config.suites import MAIN, Suite
from include.errors import ModelImportError
from include.preflight.adapter_checks import check_fit
from include.preflight.asking import Check, guarded, is_denied
from include.preflight.findings import Finding
from include.preflight.judge_checks import JUDGE, check_rubric
from include.preflight.promotion_checks import check_margin
from include.run.inputs import RunInputs

if TYPE_CHECKING:
    from include.evaluation.dataset import Dataset
    from include.evaluation.results import PromptSettings
    from include.sources.source import Source

Role = Literal["base model", "adapter"]
#: Characters of a prompt or an answer in the log.
MOST_SHOWN = 1000
READING = "s3:ListBucket, s3:GetObject and, of a source in SageMaker, the Describe action"


def _check_source(role: Role, spec: str, config: ModelConfig, clients: AwsClients) -> Check[Source | None]:
    """Yield problems of a source; return its description, or None if it cannot be used."""
    from include.checkpoint.files.reading import UriReader
    from include.checkpoint.inspection import inspect
    from include.checkpoint.layouts import ADAPTER_KINDS, MODEL_KINDS
    from include.run.inputs import describe

    try:
        source = describe(spec, config, clients.s3, clients.sagemaker)
        if not source.in_place:
            yield Finding("info", role, spec, "it is looked into once it is fetched", "Nothing is to be done.")
            return source
        kind = inspect(source.uri, UriReader(clients.s3)).kind
    except ModelImportError as error:
        if transient_cause(error):
            raise
        grant = f"Grant {READING} on it to the caller." if is_denied(error) else ""
        remedy = " ".join(filter(None, (grant, error.remedy))) or f"Give a source that holds a {role}."
        yield Finding("error", role, spec, error.finding, remedy)
        return None
    expected = ADAPTER_KINDS if role == "adapter" else MODEL_KINDS
    if kind not in expected:
        found, remedy = f"it holds a checkpoint of kind {kind}", f"Give one of kind {' or '.join(expected)}."
        yield Finding("error", role, spec, found, remedy)
    return source


def check_evaluations(config: ModelConfig, clients: AwsClients) -> Check[None]:
    """Yield what is to be said about each suite's data set and prompt."""
    for suite in config.suites:
        yield from guarded(_subject(suite), suite.dataset, "s3:GetObject", check_evaluation(config, clients, suite))


def check_evaluation(config: ModelConfig, clients: AwsClients, suite: Suite | None = None) -> Check[None]:
    """Yield what is wrong with a suite's data set and prompt, or else what will be asked and what it can show.

    By default it is the main suite.
    """
    from include.evaluation.dataset import sample
    from include.evaluation.prompts import check_template
    from include.preflight.metric_checks import check_choices, check_metrics
    from include.run.evaluation_set import prompt_settings, read_evaluation_set

    evaluation, account = suite or config.suites[0], config.account
    try:
        check_template(evaluation.prompt_template)
        whole = read_evaluation_set(evaluation.dataset, evaluation, account, clients.s3)
        asked = sample(whole, evaluation.sample, evaluation.seed)
        settings = prompt_settings(evaluation, asked, account, clients.s3)
    except ModelImportError as error:
        if transient_cause(error):
            raise
        remedy = error.remedy or "Correct it: no answer could be scored."
        yield Finding("error", _subject(evaluation), evaluation.dataset, error.finding, remedy)
        return
    yield from _describe(evaluation, asked, settings)
    yield from check_choices(_subject(evaluation), evaluation, asked.records)
    yield from check_metrics(_subject(evaluation), evaluation, account, asked.records)
    yield from check_margin(config, evaluation, len(asked.records))


def _subject(suite: Suite) -> str:
    return suite.name if suite.name == MAIN else f"suite {suite.name}"


def _describe(evaluation: Suite, asked: Dataset, settings: PromptSettings) -> Iterator[Finding]:
    """Yield what will be asked, and a warning where the answers look like those of another place in the records."""
    from include.evaluation.profile import profile
    from include.evaluation.requests import rendered

    found = profile(asked.records)
    for warning in found.warnings:
        yield Finding(
            "warning", _subject(evaluation), evaluation.dataset, warning, "Nothing is to be done if they are right."
        )
    of = f" of {asked.file_records}" if asked.file_records > found.records else ""
    text = f"asked are{of}: {found.text()}"
    if evaluation.log_first_record:
        first = asked.records[0]
        text += f"\nThe first is asked as:\n{indent(rendered(settings, first.question)[:MOST_SHOWN], '  ')}"
        if settings.choices:
            text += f"\nEvery answer is one of: {', '.join(settings.choices)}"
        text += f"\nAccepted is: {' or '.join(first.accepted_answers)[:MOST_SHOWN]}"
    yield Finding("info", _subject(evaluation), evaluation.dataset, text)


def check_base(config: ModelConfig, clients: AwsClients) -> Check[Source | None]:
    """Yield problems of the base; return its description, or None if it cannot be used."""
    return (yield from _guarded_source("base model", config.base, config, clients))


def check_inputs(config: ModelConfig, clients: AwsClients) -> Check[RunInputs | None]:
    """Yield every finding about the run's inputs; of weights, only headers and checksums are read.

    Returns the descriptions of base and adapter, or None if one of them could not be read.
    """
    base = yield from check_base(config, clients)
    adapter = None
    if config.adapter:
        adapter = yield from _guarded_source("adapter", config.adapter, config, clients)
    yield from check_evaluations(config, clients)
    if config.judge:
        uri = config.judge.rubric_file or config.judge.model
        yield from guarded(JUDGE, uri, "s3:GetObject", check_rubric(config, clients))
    if base is None or (config.adapter and adapter is None):
        return None
    if config.adapter and adapter:
        fit = check_fit(base, adapter, config.adapter, clients.s3)
        yield from guarded("adapter", config.adapter, READING, fit)
    return RunInputs(base, adapter, config.dtype)


def _guarded_source(role: Role, spec: str, config: ModelConfig, clients: AwsClients) -> Check[Source | None]:
    found = _check_source(role, spec, config, clients)
    return (yield from guarded(role, spec, READING, found))
