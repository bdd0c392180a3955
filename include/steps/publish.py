"""Point applications to a model's champion."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from include.aws.clients import AwsClients
from include.aws.publication import begin_publication, end_publication
from include.aws.s3_uri import S3Uri
from include.config.evaluation import EvaluationConfig
from include.config.publish import PublishConfig
from include.errors import ModelImportError
from include.evaluation.asking import Patience
from include.evaluation.dataset import Record
from include.evaluation.invocation import ask_all
from include.evaluation.results import PromptSettings
from include.evaluation.storage import read_report
from include.publishing.errors import ChampionDoesNotAnswerError
from include.publishing.pointer import Pointer, delete_pointer, parameter_name, read_pointer, write_pointer
from include.publishing.publishers import load_publishers
from include.registry.champions import find_champion
from include.registry.leases import changing_versions
from include.registry.versions import ModelVersion
from include.run.evaluation_set import plain_prompt
from include.steps.results import PublicationResult

log = logging.getLogger(__name__)

#: A cold model takes minutes to its first answer.
PATIENCE = Patience(deadline_seconds=900)
QUESTION, MAX_TOKENS = "Hello", 16


class PublishedModel(NamedTuple):
    """A model whose champion is published. ``lease`` is where its versions' lease is if no version says so."""

    name: str
    publish: PublishConfig
    evaluation: EvaluationConfig
    lease: S3Uri | None


def publish_champion(
    model: PublishedModel, clients: AwsClients, request: str, patience: Patience = PATIENCE
) -> PublicationResult:
    """Write the champion into the model's parameter, if it names another one, and call the publishers.

    The champion has to answer a first request before applications are pointed to it, and another one as they will send
    it, by the parameter; otherwise they stay pointed to the former champion. The registry is asked for the champion
    right before the parameter is written, under the model's lease, so that of two runs the later promotion counts.

    Args:
        model: the model.
        clients: SSM, Bedrock, SageMaker, S3 and EventBridge are asked.
        request: names the DAG run. A run that is repeated calls the publishers again, another run does not.
        patience: how long a cold champion may take to answer.

    Raises:
        ChampionDoesNotAnswerError: applications are pointed to the former champion.
        LeaseError: other processes are changing the model's versions.
        ModelImportError: one of ``include.publishing.errors``, or of a publisher.
    """
    publishers = load_publishers(model.publish.publishers)
    pointer, changed = _pointed(model, clients, request, patience)
    if pointer is None:
        return PublicationResult(parameter=parameter_name(model.name))
    if pointer.request == request:
        for name, publish in zip(model.publish.publishers, publishers, strict=True):
            publish(pointer, clients)
            log.info("notified %s of version %s", name, pointer.version)
    return PublicationResult(
        parameter=parameter_name(model.name),
        version=pointer.version,
        imported_model_arn=pointer.imported_model_arn,
        changed=changed,
    )


def _pointed(
    model: PublishedModel, clients: AwsClients, request: str, patience: Patience
) -> tuple[Pointer | None, bool]:
    """Return the pointer to the champion of now, and whether this call wrote it; None if there is no champion."""
    while True:
        champion = find_champion(model.name, clients.sagemaker, clients.bedrock).champion
        before = read_pointer(clients.ssm, model.name)
        if champion is None:
            log.warning("%s has no champion: the parameter stays as it is", model.name)
            return None, False
        prompt = _prompt(model, champion, clients)
        pointer = _pointer(model.name, champion, prompt, clients, request)
        if before and before.leads_to(pointer):
            begin_publication(clients.bedrock, pointer.imported_model_arn)  # also where the tag was removed
            return before, False
        _ask(pointer, prompt, clients, patience, moved=False)
        with changing_versions(clients, model.name, model.lease, f"publish_champion of {request}") as registry:
            if find_champion(model.name, clients.sagemaker, clients.bedrock).number == champion.number:
                registry.before_write()
                _move(before, pointer, model.publish, clients)
                break
        log.warning("version %s is not the champion any more", champion.number)
    _ask_as_applications_do(model, before, pointer, prompt, clients, patience)
    return pointer, True


def _pointer(name: str, champion: ModelVersion, prompt: PromptSettings, clients: AwsClients, request: str) -> Pointer:
    arn = champion.imported_model_arn
    return Pointer(
        model_name=name,
        version=champion.number,
        imported_model_arn=arn,
        region_name=arn.split(":")[3],
        fingerprint=champion.fingerprint,
        body_format=prompt.body_format,
        prompt_template=prompt.prompt_template,
        system_prompt=prompt.system_prompt,
        guardrail_id=prompt.guardrail_id,
        guardrail_version=prompt.guardrail_version,
        converse=champion.metadata.get("converse") == "true",
        since=datetime.now(UTC).replace(microsecond=0),
        request=request,
    )


def _prompt(model: PublishedModel, champion: ModelVersion, clients: AwsClients) -> PromptSettings:
    """Return how the champion was asked when it was evaluated, or would be asked now if its report is gone."""
    report = read_report(clients.s3, champion.report_uri) if champion.report_uri else None
    if report is None:
        log.warning("the evaluation of version %s is gone: the model's file says how it is asked", champion.number)
    return report.prompt if report else plain_prompt(model.evaluation)


def _ask(pointer: Pointer, prompt: PromptSettings, clients: AwsClients, patience: Patience, *, moved: bool) -> None:
    record = Record(index=0, question=QUESTION, answer="")
    short = prompt.model_copy(update={"max_tokens": MAX_TOKENS, "examples": ()})
    with TemporaryDirectory() as folder:
        try:
            ask_all(
                clients.bedrock_runtime,
                pointer.imported_model_arn,
                [record],
                short,
                answers_path=Path(folder) / "answer.jsonl",
                concurrency=1,
                patience=patience,
            )
        except ModelImportError as error:
            raise ChampionDoesNotAnswerError(pointer.imported_model_arn, moved, error) from error


def _move(before: Pointer | None, pointer: Pointer, publish: PublishConfig, clients: AwsClients) -> None:
    """Write the parameter. The tags are written first: a model that applications may call is never deleted."""
    begin_publication(clients.bedrock, pointer.imported_model_arn)
    if before:
        _end(before, pointer, publish, clients)
    write_pointer(clients.ssm, pointer)
    log.info("%s names version %s: %s", parameter_name(pointer.model_name), pointer.version, pointer.imported_model_arn)


def _end(left: Pointer, now: Pointer, publish: PublishConfig, clients: AwsClients) -> None:
    if left.imported_model_arn != now.imported_model_arn:
        until = datetime.now(UTC) + timedelta(hours=publish.grace_hours)
        end_publication(clients.bedrock, left.imported_model_arn, until)


def _ask_as_applications_do(
    model: PublishedModel,
    before: Pointer | None,
    pointer: Pointer,
    prompt: PromptSettings,
    clients: AwsClients,
    patience: Patience,
) -> None:
    """Ask what the parameter names; where there is no answer, write the former value again."""
    try:
        _ask(read_pointer(clients.ssm, model.name) or pointer, prompt, clients, patience, moved=True)
    except ChampionDoesNotAnswerError:
        with changing_versions(clients, model.name, model.lease, f"publish_champion of {pointer.request}") as registry:
            registry.before_write()
            if read_pointer(clients.ssm, model.name) == pointer:  # no other run has published meanwhile
                _restore(model, before, pointer, clients)
        raise


def _restore(model: PublishedModel, before: Pointer | None, pointer: Pointer, clients: AwsClients) -> None:
    if before is None:
        delete_pointer(clients.ssm, model.name)
        end_publication(clients.bedrock, pointer.imported_model_arn, datetime.now(UTC))
    else:
        _move(pointer, before, model.publish, clients)
