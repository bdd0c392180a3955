"""Copies of imported models in memory: cold, warm, idle."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from include.local_aws.bedrock import serving
from include.local_aws.bedrock.errors import ModelNotReadyError
from include.local_aws.bedrock.serving import ModelLibraries, ModelServers
from include.local_aws.bedrock.state import ImportedModel, ImportJob

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"


class Clock:
    """The time module as the servers see it; ``ahead`` is what it goes ahead by."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(serving, "time", clock)
    return clock


@pytest.fixture(scope="module")
def libraries() -> ModelLibraries:
    return ModelLibraries()


@pytest.fixture
def model(checkpoint: Path) -> ImportedModel:
    return ImportedModel(
        arn=ARN,
        job=ImportJob(arn="job", request={}),
        folder=checkpoint,
        model_type="mistral",
        instruct_supported=True,
        units_per_copy=1,
    )


def test_without_a_cold_start_the_first_call_waits_for_the_model(
    libraries: ModelLibraries, model: ImportedModel
) -> None:
    servers = ModelServers(libraries, cold_start_seconds=0, idle_seconds=300)
    assert servers.warm(model) is servers.warm(model)


def test_a_cold_model_is_not_ready_for_the_length_of_a_cold_start(
    libraries: ModelLibraries, model: ImportedModel, clock: Clock
) -> None:
    servers = ModelServers(libraries, cold_start_seconds=30, idle_seconds=300)
    for _ in range(2):
        with pytest.raises(ModelNotReadyError):
            servers.warm(model)
    clock.ahead += 31
    assert servers.warm(model)


def test_an_idle_model_is_cold_again(libraries: ModelLibraries, model: ImportedModel, clock: Clock) -> None:
    servers = ModelServers(libraries, cold_start_seconds=0, idle_seconds=300)
    first = servers.warm(model)
    clock.ahead += 200
    assert servers.warm(model) is first
    clock.ahead += 301
    assert servers.warm(model) is not first


def test_a_dropped_model_is_loaded_anew(libraries: ModelLibraries, model: ImportedModel) -> None:
    servers = ModelServers(libraries, cold_start_seconds=0, idle_seconds=300)
    first = servers.warm(model)
    servers.drop(ARN)
    assert servers.warm(model) is not first
