"""One change at a time of a model's versions: the lease that registrations, answers, roll backs and deletions hold.

The lease is an object beside the model's deliveries, ``<prefix>/<model>/registry-lease.json``. Whoever changes a model
has to find the same object, also where settings differ, so the oldest version that this project registered says where
it is; before there is one, the run's own settings do. See docs/adr/0010-changes-of-a-models-versions-hold-a-lease.md.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from include.aws.clients import AwsClients
from include.aws.errors import LeaseUnknownError, S3RequestError
from include.aws.lease import Lease, hold_lease
from include.aws.s3_uri import S3Uri
from include.registry.sagemaker import SageMakerRegistry, metadata_value

log = logging.getLogger(__name__)

LEASE_NAME = "registry-lease.json"


def lease_beside(checkpoint_uri: str, group: str) -> S3Uri | None:
    """Return the lease of a model of which this is a checkpoint; None if it is not where this project stores them."""
    uri = S3Uri.parse(checkpoint_uri)
    root, _, rest = f"/{uri.key}".rpartition(f"/{group}/")
    if not rest.endswith("/checkpoint/") or rest.count("/") != 2:
        return None
    return S3Uri(uri.bucket, f"{root}/{group}/{LEASE_NAME}".removeprefix("/"))


def lease_places(registry: SageMakerRegistry, group: str, own: S3Uri | None) -> Iterator[S3Uri]:
    """Yield where the model's lease is, and then where it is if that bucket was deleted.

    Args:
        registry: the registry.
        group: the model's name.
        own: what the caller's own settings say; the last, so it counts while no version says where its checkpoint is.
    """
    seen: set[S3Uri] = set()
    for version in registry.oldest_first(group):
        place = lease_beside(version.metadata.get("s3_uri", ""), group)
        if place and own and metadata_value(str(own)) == metadata_value(str(place)):
            place = own  # the registry's text may lack characters of the key
        if place and place not in seen:
            seen.add(place)
            yield place
    if own and own not in seen:
        yield own


@contextmanager
def changing_versions(clients: AwsClients, group: str, own: S3Uri | None, owner: str) -> Iterator[SageMakerRegistry]:
    """Hold the model's lease for the block, and yield a registry that writes only while enough of it is left.

    Args:
        clients: S3 and SageMaker are asked.
        group: the model's name.
        own: the lease by the caller's settings, see ``lease_places``.
        owner: names the caller to whoever waits.

    Raises:
        LeaseError: other processes hold the lease; or, at a write, too little of it is left.
    """
    tried: list[S3Uri] = []
    with ExitStack() as held:
        lease = None
        for place in lease_places(SageMakerRegistry(clients.sagemaker), group, own):
            tried.append(place)
            if lease := _hold(held, clients, place, owner):
                break
        check = lease.check if lease else partial(_check_without_lease, clients, group, tried)
        yield SageMakerRegistry(clients.sagemaker, check)


def _hold(held: ExitStack, clients: AwsClients, place: S3Uri, owner: str) -> Lease | None:
    try:
        return held.enter_context(hold_lease(clients.s3, place, owner))
    except S3RequestError as error:
        if error.code != "NoSuchBucket":
            raise
        log.warning("the bucket of %s does not exist any more", place)
        return None


def _check_without_lease(clients: AwsClients, group: str, tried: list[S3Uri]) -> None:
    """Raise LeaseUnknownError if a version was registered meanwhile that says where the lease is."""
    if set(lease_places(SageMakerRegistry(clients.sagemaker), group, None)) - set(tried):
        raise LeaseUnknownError(group)
    log.warning("no version of %s says where its checkpoint is: nothing keeps other changes out", group)
