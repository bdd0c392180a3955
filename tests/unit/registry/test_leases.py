"""Where the lease of a model is, so that everybody who changes it holds the same one."""

from __future__ import annotations

import random
from typing import Any

import pytest

from include.aws import lease as lease_module
from include.aws.clients import AwsClients
from include.aws.errors import LeaseUnknownError
from include.aws.s3_uri import S3Uri
from include.registry.leases import changing_versions, lease_beside, lease_places
from include.registry.sagemaker import SageMakerRegistry
from tests.support.champion_account import S3, SageMaker, refusal
from tests.support.champion_world import GROUP, World

FINGERPRINT = "0123456789ab"
OWN = S3Uri("new", f"models/{GROUP}/registry-lease.json")


class WithoutOldBucket(S3):
    """The bucket ``old`` was deleted."""

    def do_put_object(self, **request: Any) -> dict[str, Any]:
        if request["Bucket"] == "old":
            raise refusal("NoSuchBucket", 404, "PutObject")
        return super().do_put_object(**request)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(random.Random(0), naps=0)
    monkeypatch.setattr(lease_module, "time", world)
    world.groups[GROUP] = {"ModelPackageGroupName": GROUP}
    return world


def add_version(world: World, **metadata: str) -> None:
    request = {"ModelApprovalStatus": "Rejected", "CustomerMetadataProperties": metadata}
    SageMaker(world).do_create_model_package(**request)


def checkpoint(bucket: str) -> str:
    return f"s3://{bucket}/models/{GROUP}/{FINGERPRINT}/checkpoint/"


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        (f"s3://b/models/{GROUP}/{FINGERPRINT}/checkpoint/", f"models/{GROUP}/registry-lease.json"),
        (f"s3://b/{GROUP}/{FINGERPRINT}/checkpoint/", f"{GROUP}/registry-lease.json"),
        (f"s3://b/{GROUP}/{GROUP}/{FINGERPRINT}/checkpoint/", f"{GROUP}/{GROUP}/registry-lease.json"),
        ("s3://b/shared/base/", None),
        (f"s3://b/other/{FINGERPRINT}/checkpoint/", None),
        ("", None),
    ],
)
def test_the_lease_is_beside_the_checkpoints_of_the_model(uri: str, key: str | None) -> None:
    assert lease_beside(uri, GROUP) == (S3Uri("b", key) if key else None)


def test_a_run_with_other_settings_holds_the_lease_of_the_oldest_version(world: World) -> None:
    add_version(world, imported_model_arn="of other software")
    add_version(world, s3_uri=checkpoint("old"))
    add_version(world, s3_uri=checkpoint("new"))
    places: list[S3Uri] = []
    world.add("run", lambda: places.extend(lease_places(SageMakerRegistry(SageMaker(world)), GROUP, OWN)))
    world.play()
    assert places == [OWN._replace(bucket="old"), OWN]


def test_where_the_oldest_versions_bucket_was_deleted_the_next_one_holds_the_lease(world: World) -> None:
    add_version(world, s3_uri=checkpoint("old"))
    held: list[bool] = []

    def work() -> None:
        clients = AwsClients(lambda service: {"s3": WithoutOldBucket, "sagemaker": SageMaker}[service](world))
        with changing_versions(clients, GROUP, OWN, "a run"):
            held.append(OWN.key in world.objects)

    world.add("run", work)
    world.play()
    assert (held, world.objects) == ([True], {})


def test_a_change_that_began_before_the_first_version_writes_nothing_once_there_is_one(world: World) -> None:
    refused: list[str] = []

    def work() -> None:
        clients = AwsClients(lambda service: {"s3": S3, "sagemaker": SageMaker}[service](world))
        with changing_versions(clients, GROUP, None, "a roll back") as registry:
            registry.before_write()
            add_version(world, s3_uri=checkpoint("new"))
            with pytest.raises(LeaseUnknownError) as error:
                registry.before_write()
            refused.append(error.value.which)

    world.add("roll back", work)
    world.play()
    assert refused == [GROUP]
