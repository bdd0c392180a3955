from __future__ import annotations

import pickle
from typing import Any

import pytest

from include.local_aws.bedrock.errors import SCRIPTABLE, ExpiredTokenError, InvalidRequestError, ModelNotReadyError
from include.local_aws.bedrock.faults import Faults
from include.local_aws.bedrock.import_failures import MAX_FAILURE_MESSAGE, ModelLoadError, RolePermissionError


def test_a_fault_of_one_operation_hits_that_operation_as_often_as_asked() -> None:
    faults = Faults()
    faults.script("fail-calls", {"calls": 2, "operation": "GetImportedModel", "code": "ThrottlingException"})
    assert faults.take_call_fault("ListImportedModels") is None
    hits = [faults.take_call_fault("GetImportedModel") for _ in range(3)]
    assert [hit.code if hit else None for hit in hits] == ["ThrottlingException", "ThrottlingException", None]


def test_a_fault_without_an_operation_hits_any() -> None:
    faults = Faults()
    faults.script("fail-calls", {"code": "ServiceUnavailableException"})
    assert faults.take_call_fault("Converse") is not None
    assert faults.take_call_fault("Converse") is None


def test_a_fault_can_last_for_a_time_instead_of_a_number_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("include.local_aws.bedrock.faults.time.monotonic", lambda: clock[0])
    faults = Faults()
    faults.script("fail-calls", {"seconds": 60, "operation": "GetModelImportJob"})
    assert faults.take_call_fault("ListModelImportJobs") is None
    assert all(faults.take_call_fault("GetModelImportJob") for _ in range(3))
    clock[0] += 61
    assert faults.take_call_fault("GetModelImportJob") is None


def test_a_lasting_fault_can_hit_every_second_call() -> None:
    faults = Faults()
    faults.script("fail-calls", {"seconds": 60, "every": 2, "operation": "InvokeModel"})
    assert faults.take_call_fault("Converse") is None
    assert [bool(faults.take_call_fault("InvokeModel")) for _ in range(6)] == [False, True] * 3
    with pytest.raises(InvalidRequestError, match="every needs seconds"):
        faults.script("fail-calls", {"every": 2})


def test_a_key_that_expired_is_refused_and_another_is_not() -> None:
    faults = Faults()
    faults.script("expire-key", {"access_key_id": "old"})
    faults.check_key("new")
    with pytest.raises(ExpiredTokenError):
        faults.check_key("old")
    faults.script("clear-faults", {})
    faults.check_key("old")


def test_import_failures_are_taken_one_by_one_in_order() -> None:
    faults = Faults()
    faults.script("fail-next-import", {"message": "first"})
    faults.script("fail-next-import", {"message": "second"})
    assert [faults.take_import_failure() for _ in range(3)] == ["first", "second", None]


def test_held_imports_wait_until_they_are_released() -> None:
    faults = Faults()
    faults.script("hold-imports", {})
    assert not faults.imports_released.is_set()
    faults.script("release-imports", {})
    assert faults.imports_released.is_set()


def test_cold_models_are_not_ready() -> None:
    faults = Faults()
    faults.script("cold", {"seconds": 60})
    with pytest.raises(ModelNotReadyError):
        faults.check_warm()


def test_the_older_body_format_is_for_the_models_named() -> None:
    faults = Faults()
    faults.script("legacy-body-format", {"models": ["old"]})
    assert faults.is_legacy("old", "arn:1")
    assert not faults.is_legacy("new", "arn:2")
    faults.script("legacy-body-format", {})
    assert faults.is_legacy("new", "arn:2")


def test_clearing_forgets_every_script() -> None:
    faults = Faults()
    for name, body in (("fail-calls", {}), ("fail-next-import", {}), ("hold-imports", {}), ("cold", {"seconds": 60})):
        faults.script(name, body)
    faults.script("fixed-answer", {"text": "x"})
    faults.script("clear-faults", {})
    assert faults.take_call_fault("Converse") is None
    assert faults.take_import_failure() is None
    assert faults.imports_released.is_set()
    assert faults.fixed_answer is None
    faults.check_warm()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("unknown", {}),
        ("fail-calls", {"code": "NoSuchException"}),
        ("fail-calls", {"calls": 0}),
        ("fail-calls", {"call": 1}),
        ("cold", {}),
        ("hold-imports", {"seconds": 1}),
    ],
)
def test_a_script_that_means_nothing_is_refused(name: str, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        Faults().script(name, body)


@pytest.mark.parametrize("error", [*SCRIPTABLE.values()])
def test_errors_of_the_service_survive_pickling(error: type[Exception]) -> None:
    restored = pickle.loads(pickle.dumps(error("why")))
    assert type(restored) is error
    assert restored.message == "why"


def test_import_failures_survive_pickling() -> None:
    failure = RolePermissionError("arn:role", "s3:GetObject", "arn:object")
    restored = pickle.loads(pickle.dumps(failure))
    assert type(restored) is RolePermissionError
    assert str(restored) == str(failure)


def test_a_failure_message_is_never_longer_than_bedrocks() -> None:
    assert len(str(ModelLoadError("x" * 5000))) == MAX_FAILURE_MESSAGE
