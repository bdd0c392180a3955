"""Point applications to a model's champion."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from include.aws.calls import find_imported_model
from include.aws.clients import AwsClients
from include.aws.publication import begin_publication
from include.aws.s3_uri import S3Uri
from include.config.evaluation import EvaluationConfig
from include.config.publish import CanaryConfig, PublishConfig
from include.evaluation.asking import Patience
from include.evaluation.results import PromptSettings
from include.evaluation.storage import read_report
from include.publishing.errors import ChampionDoesNotAnswerError
from include.publishing.moving import move, move_back
from include.publishing.pointer import Canary, PointedVersion, Pointer, parameter_name, read_pointer
from include.publishing.publishers import Publisher, load_publishers
from include.registry.champions import find_champion
from include.registry.leases import changing_versions
from include.registry.versions import ModelVersion
from include.run.evaluation_set import plain_prompt
from include.steps.first_request import ask_first
from include.steps.results import PublicationResult

log = logging.getLogger(__name__)

#: A cold model takes minutes to its first answer.
PATIENCE = Patience(deadline_seconds=900)


class PublishedModel(NamedTuple):
    """A model whose champion is published. ``lease`` is where its versions' lease is if no version says so."""

    name: str
    publish: PublishConfig
    evaluation: EvaluationConfig
    lease: S3Uri | None


def publish_champion(
    model: PublishedModel, clients: AwsClients, request: str, patience: Patience = PATIENCE, *, at_once: bool = False
) -> PublicationResult:
    """Write the champion into the model's parameter, if it names another one, and call the publishers.

    With a canary in the model's file, a newer version than the one that applications call gets a share of the calls
    first; the publishers are called when ``watch_canary`` finishes the switch.

    The champion has to answer a first request before applications are pointed to it, and another one as they will send
    it, by the parameter; otherwise they stay pointed to the former champion. The registry is asked for the champion
    right before the parameter is written, under the model's lease, so that of two runs the later promotion counts.

    Args:
        model: the model.
        clients: SSM, Bedrock, SageMaker, S3 and EventBridge are asked.
        request: names the DAG run. A run that is repeated calls the publishers again, another run does not.
        patience: how long a cold champion may take to answer.
        at_once: without a canary, as after a roll back.

    Raises:
        ChampionDoesNotAnswerError: applications are pointed to the former champion.
        LeaseError: other processes are changing the model's versions.
        ModelImportError: one of ``include.publishing.errors``, or of a publisher.
    """
    publishers = load_publishers(model.publish.publishers)
    pointer, changed = _pointed(model, clients, request, patience, at_once=at_once)
    if pointer is None:
        return PublicationResult(parameter=parameter_name(model.name))
    if pointer.canary is None and pointer.request == request:
        call_publishers(model, publishers, pointer, clients)
    named = pointer.canary.champion if pointer.canary else pointer
    return PublicationResult(
        parameter=parameter_name(model.name),
        version=named.version,
        imported_model_arn=named.imported_model_arn,
        changed=changed,
        canary_until=pointer.canary.until if pointer.canary else None,
    )


def is_published(model: PublishedModel, champion: ModelVersion, clients: AwsClients) -> bool:
    """Return whether the model's parameter names the champion alone, as ``publish_champion`` would write it.

    Raises:
        PointerUnreadableError: the parameter holds something else.
    """
    pointer = read_pointer(clients.ssm, model.name)
    version = _version(model.name, champion, _prompt(model, champion, clients), clients, "")
    return pointer is not None and pointer.leads_to(version)


def call_publishers(
    model: PublishedModel, publishers: Iterable[Publisher], pointer: Pointer, clients: AwsClients
) -> None:
    """Notify each publisher of the model's file of the champion."""
    for name, publish in zip(model.publish.publishers, publishers, strict=True):
        publish(pointer, clients)
        log.info("notified %s of version %s", name, pointer.version)


def _pointed(
    model: PublishedModel, clients: AwsClients, request: str, patience: Patience, *, at_once: bool
) -> tuple[Pointer | None, bool]:
    """Return the pointer to the champion of now, and whether this call wrote it; None if there is no champion."""
    while True:
        champion = find_champion(model.name, clients.sagemaker, clients.bedrock).champion
        before = read_pointer(clients.ssm, model.name)
        if champion is None:
            log.warning("%s has no champion: the parameter stays as it is", model.name)
            return None, False
        prompt = _prompt(model, champion, clients)
        version = _version(model.name, champion, prompt, clients, request)
        canary = None if at_once else model.publish.canary
        if before and (before.leads_to(version) or (canary and before.tries(version))):
            for arn in before.imported_model_arns:
                begin_publication(clients.bedrock, arn)  # also where the tag was removed
            return before, False
        _ask(version, prompt, clients, patience, moved=False)
        with changing_versions(clients, model.name, model.lease, f"publish_champion of {request}") as registry:
            if find_champion(model.name, clients.sagemaker, clients.bedrock).number == champion.number:
                before = read_pointer(clients.ssm, model.name)  # another run may have written it meanwhile
                pointer = _target(before, version, canary, clients)
                registry.before_write()
                move(before, pointer, model.publish.grace_hours, clients)
                break
        log.warning("version %s is not the champion any more", champion.number)
    _ask_as_applications_do(model, before, pointer, prompt, clients, patience)
    return pointer, True


def _target(
    before: Pointer | None, version: PointedVersion, canary: CanaryConfig | None, clients: AwsClients
) -> Pointer:
    """Return what the parameter is to hold: the version alone, or the one before with the version as its canary.

    A canary needs a version before that can still be called, and that is older: a champion that is older than the
    version that applications call is the result of a roll back, which is not to wait.
    """
    alone = Pointer(**version.model_dump())
    if canary is None or before is None or before.version >= version.version:
        return alone
    if find_imported_model(clients.bedrock, before.imported_model_arn) is None:
        log.warning("no canary: the imported model of version %s is gone", before.version)
        return alone
    trial = Canary(
        share=canary.share,
        since=version.since,
        until=version.since + timedelta(minutes=canary.minutes),
        max_error_rate=canary.max_error_rate,
        champion=version,
    )
    return before.model_copy(update={"canary": trial})


def _version(
    name: str, champion: ModelVersion, prompt: PromptSettings, clients: AwsClients, request: str
) -> PointedVersion:
    arn = champion.imported_model_arn
    return PointedVersion(
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


def _ask(
    version: PointedVersion, prompt: PromptSettings, clients: AwsClients, patience: Patience, *, moved: bool
) -> None:
    ask_first(clients.bedrock_runtime, version.imported_model_arn, prompt, patience, moved=moved)


def _ask_as_applications_do(
    model: PublishedModel,
    before: Pointer | None,
    pointer: Pointer,
    prompt: PromptSettings,
    clients: AwsClients,
    patience: Patience,
) -> None:
    """Ask the new champion as the parameter names it; where there is no answer, write the former value again."""
    stored = read_pointer(clients.ssm, model.name) or pointer
    try:
        _ask(stored.canary.champion if stored.canary else stored, prompt, clients, patience, moved=True)
    except ChampionDoesNotAnswerError:
        with changing_versions(clients, model.name, model.lease, f"publish_champion of {pointer.request}") as registry:
            registry.before_write()
            if read_pointer(clients.ssm, model.name) == pointer:  # no other run has published meanwhile
                move_back(before, pointer, model.publish.grace_hours, clients)
        raise
