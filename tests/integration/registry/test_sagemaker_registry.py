from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from include.registry.errors import ChampionChangedError
from include.registry.sagemaker import RegistryMetadataTooLargeError, SageMakerRegistry
from include.registry.versions import RETIRED_AT, ApprovalStatus, Candidate
from tests.support.local_aws_process import LocalAwsProcess

FINGERPRINTS = {name: name * 64 for name in "abc"}


@pytest.fixture(scope="module")
def sagemaker() -> Iterator[Any]:
    with LocalAwsProcess() as local_aws:
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        yield session.client("sagemaker", endpoint_url=local_aws.endpoint_url)


@pytest.fixture
def registry(sagemaker: Any) -> SageMakerRegistry:
    return SageMakerRegistry(sagemaker)


def _candidate(group: str, fingerprint: str = FINGERPRINTS["a"], **changes: Any) -> Candidate:
    values: dict[str, Any] = {
        "group": group,
        "description": "Answers with the capital of a country",
        "fingerprint": fingerprint,
        "imported_model_arn": "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
        "scores": {"f1": 0.9},
        "dataset_digest": "0" * 64,
        "report_uri": "s3://a-bucket/report.json",
        "status": "Approved",
        "provenance": {"base": "include/demo/base"},
    }
    return Candidate(**(values | changes))


def test_a_group_that_does_not_exist_has_no_versions_and_no_champion(registry: SageMakerRegistry) -> None:
    assert list(registry.versions("nobody")) == []
    assert registry.champion("nobody") is None


def test_a_registered_version_is_found_again_with_all_that_was_recorded(registry: SageMakerRegistry) -> None:
    registered = registry.register(_candidate("recorded"))
    found = registry.find("recorded", FINGERPRINTS["a"])
    assert found == registered
    assert (found.number, found.status, found.scores) == (1, "Approved", {"f1": 0.9})
    assert found.metadata["base"] == "include/demo/base"


def test_registering_the_same_content_twice_is_one_version(registry: SageMakerRegistry) -> None:
    assert registry.register(_candidate("twice")) == registry.register(_candidate("twice"))
    assert len(list(registry.versions("twice"))) == 1


def test_the_same_content_can_be_registered_in_two_groups(registry: SageMakerRegistry) -> None:
    first, second = (registry.register(_candidate(group)) for group in ("one", "other"))
    assert first.arn != second.arn


def test_concurrent_registrations_of_the_same_content_are_one_version(registry: SageMakerRegistry) -> None:
    candidates = [_candidate("same", scores={"f1": score}) for score in (0.8, 0.9, 0.91, 0.92)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(registry.register, candidates))
    assert len(list(registry.versions("same"))) == 1


def test_concurrent_registrations_of_different_content_both_survive(registry: SageMakerRegistry) -> None:
    candidates = [_candidate("concurrent", FINGERPRINTS[name]) for name in "ab"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(registry.register, candidates))
    assert {version.fingerprint for version in registry.versions("concurrent")} == {"a" * 64, "b" * 64}


def test_the_champion_is_the_newest_approved_version(registry: SageMakerRegistry) -> None:
    for name, status in (("a", "Approved"), ("b", "Approved"), ("c", "Rejected")):
        registry.register(_candidate("newest", FINGERPRINTS[name], status=status))
    champion = registry.champion("newest")
    assert champion is not None
    assert champion.number == 2


def test_a_version_that_other_software_approved_is_no_champion(registry: SageMakerRegistry, sagemaker: Any) -> None:
    registry.register(_candidate("shared"))
    sagemaker.create_model_package(ModelPackageGroupName="shared", ModelApprovalStatus="Approved")
    champion = registry.champion("shared")
    assert champion is not None
    assert champion.number == 1


def test_a_version_whose_decision_does_not_count_any_more_is_not_registered(registry: SageMakerRegistry) -> None:
    def refuse() -> None:
        raise ChampionChangedError("refused", _candidate("refused"), 1, None)

    with pytest.raises(ChampionChangedError, match="Found: no champion"):
        registry.register(_candidate("refused"), refuse)
    assert list(registry.versions("refused")) == []


def test_what_has_to_hold_before_a_write_is_looked_at_in_the_last_request_before_it(sagemaker: Any) -> None:
    calls: list[str] = []
    sagemaker.meta.events.register("before-call.sagemaker", lambda model, **_: calls.append(model.name))
    registry = SageMakerRegistry(sagemaker, lambda: calls.append("checked"))
    version = registry.register(_candidate("window"), lambda: calls.append("decision checked"))
    registry.set_status(version, "Rejected", "worse")
    registry.note(version, RETIRED_AT, "2026-01-01T00:00:00+00:00")
    writes = [index for index, name in enumerate(calls) if name.startswith(("Update", "CreateModelPackage"))]
    before = {calls[index - 1] for index in writes if calls[index] != "CreateModelPackageGroup"}
    assert (len(writes), before) == (4, {"checked"})
    created = calls.index("CreateModelPackage")
    assert calls[created - 2 : created] == ["decision checked", "checked"]


@pytest.mark.parametrize("status", ["Rejected", "Approved", "PendingManualApproval"])
def test_a_status_that_was_changed_in_the_registry_itself_stays(
    registry: SageMakerRegistry, sagemaker: Any, status: ApprovalStatus
) -> None:
    first: ApprovalStatus = "Approved" if status == "Rejected" else "Rejected"
    version = registry.register(_candidate("studio" + status, status=first))
    assert not version.changed_by_others
    sagemaker.update_model_package(
        ModelPackageArn=version.arn, ModelApprovalStatus=status, ApprovalDescription="seen in production"
    )
    again = registry.register(_candidate("studio" + status, status=first, dataset_digest="1" * 64))
    assert (again.status, again.changed_by_others) == (status, True)
    assert sagemaker.describe_model_package(ModelPackageName=version.arn)["ApprovalDescription"] == "seen in production"


def test_a_rejected_version_that_now_reaches_its_thresholds_is_approved(registry: SageMakerRegistry) -> None:
    registry.register(_candidate("better", status="Rejected", scores={"f1": 0.5}))
    version = registry.register(_candidate("better", scores={"f1": 0.95}))
    assert (version.number, version.status, version.scores) == (1, "Approved", {"f1": 0.95})


def test_an_approved_version_is_never_rejected_by_a_run(registry: SageMakerRegistry) -> None:
    registry.register(_candidate("approved"))
    assert registry.register(_candidate("approved", status="Rejected")).status == "Approved"


def test_a_version_that_is_imported_again_no_longer_says_that_it_was_retired(
    registry: SageMakerRegistry, sagemaker: Any
) -> None:
    version = registry.register(_candidate("again"))
    sagemaker.update_model_package(
        ModelPackageArn=version.arn, CustomerMetadataProperties={RETIRED_AT: "2026-01-01T00:00:00+00:00"}
    )
    again = registry.register(_candidate("again", imported_model_arn=version.imported_model_arn[:-1] + "m"))
    assert RETIRED_AT not in again.metadata


def test_what_the_registry_cannot_hold_is_replaced_and_cut(registry: SageMakerRegistry) -> None:
    version = registry.register(_candidate("signs", provenance={"prompt": "[INST] {question}" + "x" * 300}))
    assert version.metadata["prompt"].startswith("_INST_ _question_")
    assert len(version.metadata["prompt"]) == 256


def test_too_many_properties_are_refused_before_anything_is_registered(registry: SageMakerRegistry) -> None:
    with pytest.raises(RegistryMetadataTooLargeError, match="50"):
        registry.register(_candidate("many", provenance={f"key{number}": "x" for number in range(50)}))
    assert list(registry.versions("many")) == []


def test_among_hundreds_of_versions_one_is_found_with_a_call_per_hundred(
    registry: SageMakerRegistry, sagemaker: Any
) -> None:
    fingerprints = [f"{number:064x}" for number in range(205)]
    registry.register(_candidate("hundreds", fingerprints[0]))
    for fingerprint in fingerprints[1:]:
        registry._create(_candidate("hundreds", fingerprint))
    calls: list[str] = []
    sagemaker.meta.events.register("before-call.sagemaker", lambda model, **_: calls.append(model.name))
    found = registry.find("hundreds", fingerprints[0])
    assert found is not None
    assert found.number == 1
    assert sorted(calls) == ["DescribeModelPackage", "ListModelPackageGroups", *["ListModelPackages"] * 3]
    calls.clear()
    assert registry.find("hundreds", "f" * 64) is None
    assert "DescribeModelPackage" not in calls


def test_a_version_whose_description_somebody_wrote_anew_is_found_too(
    registry: SageMakerRegistry, sagemaker: Any
) -> None:
    registry.register(_candidate("by-hand", FINGERPRINTS["a"]))
    sagemaker.create_model_package(
        ModelPackageGroupName="by-hand",
        ModelPackageDescription="copied by a person",
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"fingerprint": FINGERPRINTS["b"]},
    )
    found = registry.find("by-hand", FINGERPRINTS["b"])
    assert found is not None
    assert found.number == 2
