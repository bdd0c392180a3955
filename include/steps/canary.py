"""Watch the canary of a new champion, and finish the switch or take it back.

Each call looks at the parameter, at the registry and at the calls that Bedrock counted, and does what is due; between
two calls nothing is kept but the parameter itself. So a process that is killed at any line is continued by the next.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from include.aws.clients import AwsClients
from include.publishing.calls import count_calls
from include.publishing.errors import CanaryFailedError
from include.publishing.moving import move
from include.publishing.pointer import Canary, Pointer, read_pointer
from include.publishing.publishers import load_publishers
from include.registry.champions import find_champion
from include.registry.errors import ChampionChangedError
from include.registry.leases import changing_versions
from include.registry.rolling_back import find_begun, roll_back
from include.registry.sagemaker import SageMakerRegistry
from include.steps.publish import PublishedModel, call_publishers, publish_champion
from include.steps.results import CanaryResult, PublicationResult

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=1)
#: CloudWatch shows a call a minute or two after it was made.
SETTLING = timedelta(minutes=2)
#: Who decided, in the registry.
BY = "the canary"


def watch_canary(
    model: PublishedModel, publication: PublicationResult, clients: AwsClients, request: str, now: datetime
) -> CanaryResult:
    """Judge the canary that a publication began or found; finish the switch when its time is over.

    Too many failed calls end it at any time: first the version before becomes the champion again in the registry, as by
    ``roll_back_model``, and then the parameter names it alone. A canary whose version is not the champion any more,
    after a roll back or a newer promotion, is ended without a judgement: applications are pointed to today's champion.

    Args:
        model: the model.
        publication: what ``publish_champion`` returned, with ``canary_until``.
        clients: SSM, CloudWatch, Bedrock, SageMaker, S3 and EventBridge are asked.
        request: names the DAG run, as for ``publish_champion``.
        now: timezone-aware.

    Raises:
        CanaryFailedError: the promotion was taken back; at each further call, too.
        LeaseError: other processes are changing the model's versions.
        ModelImportError: of a publisher.
    """
    load_publishers(model.publish.publishers)
    pointer, name = read_pointer(clients.ssm, model.name), _request_name(publication)
    canary = pointer.canary if pointer else None
    which = (publication.version, publication.canary_until)
    if pointer is None or canary is None or (canary.champion.version, canary.until) != which:
        return _after_the_end(model, publication, pointer, clients, request)
    calls = count_calls(clients.cloudwatch, canary.champion.imported_model_arn, canary.since, now)
    log.info("canary of version %s, %.0f%% of the calls: %s", publication.version, 100 * canary.share, calls)
    if calls.fail_more_than(canary.max_error_rate) or _is_taken_back(model, name, clients):
        _take_back(model, pointer, canary, name, str(calls), clients)
    champion = _champion(model, clients)
    if champion != canary.champion.version:
        log.warning("version %s is not the champion any more: its canary ends", canary.champion.version)
        publish_champion(model, clients, request, at_once=(champion or 0) < canary.champion.version)
        return CanaryResult(version=canary.champion.version, calls=str(calls))
    if now < canary.until + SETTLING:
        next_look = min(now + LOOK_EVERY, canary.until + SETTLING)
        return CanaryResult(version=canary.champion.version, calls=str(calls), next_look=next_look)
    if not any(calls):
        log.warning("no call of version %s was counted: the switch is finished without a judgement", champion)
    return _finish(model, canary, str(calls), clients, now)


def _request_name(publication: PublicationResult) -> str:
    """Return the name of the roll back that this canary may end in."""
    return f"canary of version {publication.version} until {publication.canary_until}"


def _champion(model: PublishedModel, clients: AwsClients) -> int | None:
    return find_champion(model.name, clients.sagemaker, clients.bedrock).number


def _is_taken_back(model: PublishedModel, name: str, clients: AwsClients) -> bool:
    return find_begun(SageMakerRegistry(clients.sagemaker).versions(model.name), name) is not None


def _take_back(
    model: PublishedModel, pointer: Pointer, canary: Canary, name: str, why: str, clients: AwsClients
) -> None:
    """Make the version before the champion again, and point applications to it alone; raise CanaryFailedError.

    Return if another version has become the champion meanwhile.
    """
    number = canary.champion.version
    try:
        roll_back(clients, model.name, pointer.version, by=BY, why=why, request=name, champion=number)
    except ChampionChangedError as error:
        log.warning("%s", error)
        return
    with changing_versions(clients, model.name, model.lease, name) as registry:
        stored = read_pointer(clients.ssm, model.name)
        if stored and stored.canary == canary:
            registry.before_write()
            move(stored, stored.model_copy(update={"canary": None}), model.publish.grace_hours, clients)
    raise CanaryFailedError(model.name, number, pointer.version, why)


def _finish(model: PublishedModel, canary: Canary, calls: str, clients: AwsClients, now: datetime) -> CanaryResult:
    """Point applications to the new champion alone, and call the publishers."""
    version = canary.champion
    with changing_versions(clients, model.name, model.lease, f"end of the canary of {version.request}") as registry:
        stored = read_pointer(clients.ssm, model.name)
        if stored is None or stored.canary != canary or _champion(model, clients) != version.version:
            return CanaryResult(version=version.version, calls=calls, next_look=now + LOOK_EVERY)
        since = datetime.now(UTC).replace(microsecond=0)
        pointer = Pointer(**version.model_dump(exclude={"since"}), since=since)
        registry.before_write()
        move(stored, pointer, model.publish.grace_hours, clients)
    call_publishers(model, load_publishers(model.publish.publishers), pointer, clients)
    return CanaryResult(version=version.version, calls=calls, finished=True)


def _after_the_end(
    model: PublishedModel,
    publication: PublicationResult,
    pointer: Pointer | None,
    clients: AwsClients,
    request: str,
) -> CanaryResult:
    """Return the outcome of a canary that an earlier attempt or another run has ended; do what may be left to do."""
    number = publication.version or 0
    former = find_begun(SageMakerRegistry(clients.sagemaker).versions(model.name), _request_name(publication))
    if former:
        raise CanaryFailedError(model.name, number, former.number, former.reason)
    finished = pointer is not None and pointer.canary is None and pointer.version == number
    if pointer and finished and pointer.request == request:
        call_publishers(model, load_publishers(model.publish.publishers), pointer, clients)
    return CanaryResult(version=number, finished=finished)
