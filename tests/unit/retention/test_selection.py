from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.aws.imported_models import ImportedModel
from include.aws.model_use import USE_TAG
from include.aws.publication import POINTED_TO, PUBLISHED_TAG
from include.config.model import RetentionConfig
from include.registry.versions import ApprovalStatus, ModelVersion
from include.retention.selection import NOT_OURS, RetentionPolicies, RetirementPlan, plan_retirement
from include.service.pricing import model_cost

NOW = datetime(2026, 11, 22, tzinfo=UTC)
UNITS = {"customModelUnitsPerModelCopy": 1, "customModelUnitsVersion": "v1.0"}
APPROVED: ApprovalStatus = "Approved"
REJECTED: ApprovalStatus = "Rejected"
PENDING: ApprovalStatus = "PendingManualApproval"


def imported(group: str, days_old: float, **tags: str) -> ImportedModel:
    name = f"{group}-{days_old}"
    own = {"model_name": group, "fingerprint": f"print-of-{name}"} if group else {}
    return ImportedModel(
        arn=f"arn:{name}",
        name=name,
        created_at=NOW - timedelta(days=days_old),
        tags=own | tags,
        cost=model_cost(UNITS, "us-east-1"),
    )


def version(model: ImportedModel, number: int, status: ApprovalStatus, arn: str | None = None) -> ModelVersion:
    metadata = {"fingerprint": model.fingerprint, "imported_model_arn": arn or model.arn}
    return ModelVersion(arn=f"arn:v{number}", number=number, status=status, created_at=NOW, metadata=metadata)


Registered = list[tuple[ImportedModel, ApprovalStatus]]


def registered(versions: Registered) -> dict[str, tuple[ModelVersion, ...]]:
    """The versions of each group, newest first; the oldest model has number 1."""
    found: dict[str, tuple[ModelVersion, ...]] = {}
    for model, status in sorted(versions, key=lambda pair: pair[0].created_at):
        older = found.get(model.group, ())
        found[model.group] = (version(model, len(older) + 1, status), *older)
    return found


def plan(
    versions: Registered,
    *unregistered: ImportedModel,
    by_group: dict[str, RetentionConfig] | None = None,
    **policy: object,
) -> RetirementPlan:
    models = [*(model for model, _ in versions), *unregistered]
    policies = RetentionPolicies(RetentionConfig.model_validate(policy), by_group or {})
    return plan_retirement(models, registered(versions), policies, NOW)


def approved(group: str, *days_old: float) -> Registered:
    return [(imported(group, days), APPROVED) for days in days_old]


def retired(planned: RetirementPlan) -> list[str]:
    return [verdict.model.name for verdict in planned.retire]


def kept(planned: RetirementPlan) -> dict[str, str]:
    return {verdict.model.name: verdict.reason for verdict in planned.keep}


def test_the_newest_approved_versions_of_each_model_stay_and_the_oldest_go_first() -> None:
    planned = plan([*approved("a", 1, 2, 3, 4), *approved("b", 9)], keep=2)
    assert retired(planned) == ["a-4", "a-3"]
    assert kept(planned)["a-1"] == "it is the champion, version 4"
    assert kept(planned)["a-2"] == "it is among the 2 newest approved versions of a"
    assert kept(planned)["b-9"] == "it is the champion, version 1"


def test_rejected_versions_are_not_counted_and_go_before_all_others() -> None:
    rejected: Registered = [(imported("a", days), REJECTED) for days in (1, 2)]
    planned = plan([*rejected, *approved("a", 3, 4, 5)], imported("a", 9), keep=2)
    assert retired(planned) == ["a-2", "a-1", "a-9", "a-5"]
    assert planned.retire[0].reason == "version 4 was rejected, 2 days old"
    assert planned.retire[2].reason == "it was never registered, 9 days old"
    assert planned.retire[3].reason == "version 1 is not among the 2 newest approved versions, 5 days old"


def test_the_champion_stays_however_old_it_is_and_however_few_are_kept() -> None:
    planned = plan([(imported("a", 1), REJECTED), *approved("a", 300, 301)], keep=0)
    assert retired(planned) == ["a-1", "a-301"]
    assert "champion, version 2" in kept(planned)["a-300"]


def test_the_champion_is_known_by_its_content_after_it_was_imported_anew() -> None:
    model = imported("a", 2)
    versions = {"a": (version(model, 7, APPROVED, arn="arn:of-before"),)}
    planned = plan_retirement([model], versions, RetentionPolicies(RetentionConfig(keep=0)), NOW)
    assert kept(planned) == {"a-2": "it is the champion, version 7"}


def test_a_version_that_waits_for_a_person_stays() -> None:
    planned = plan([(imported("a", 30), PENDING), *approved("a", 1)], keep=0)
    assert kept(planned)["a-30"] == "version 1 waits for a person's approval"
    assert retired(planned) == []


def test_a_version_that_a_run_is_evaluating_stays_until_it_has_done_so() -> None:
    noted = {USE_TAG: f"{(NOW - timedelta(hours=23)).isoformat()} import_a/run 7"}
    old = {USE_TAG: f"{(NOW - timedelta(hours=25)).isoformat()} import_a/run 6"}
    models = [imported("a", 3, **noted), imported("a", 4, **old), imported("a", 5, **{USE_TAG: ""})]
    planned = plan([(model, REJECTED) for model in models])
    assert kept(planned) == {"a-3": "the run import_a/run 7 has been evaluating it since 2026-11-21 01:00 UTC"}
    assert retired(planned) == ["a-5", "a-4"]


def test_what_applications_may_still_call_stays_though_it_is_not_the_champion() -> None:
    ends = {
        name: {PUBLISHED_TAG: (NOW + timedelta(hours=hours)).isoformat()} for name, hours in (("soon", 1), ("over", -1))
    }
    old: Registered = [
        (imported("a", 2, **{PUBLISHED_TAG: POINTED_TO}), REJECTED),
        (imported("a", 3, **ends["soon"]), APPROVED),
        (imported("a", 4, **ends["over"]), APPROVED),
        (imported("a", 5, **{PUBLISHED_TAG: "yes"}), APPROVED),
    ]
    planned = plan([*approved("a", 1), *old], keep=0)
    assert retired(planned) == ["a-5", "a-4"]
    assert kept(planned)["a-2"] == "applications are pointed to it"
    assert kept(planned)["a-3"] == "applications may call it until 2026-11-22 01:00 UTC"


def test_a_note_that_somebody_else_wrote_keeps_nothing() -> None:
    model = imported("a", 3, **{USE_TAG: "Maria"})
    assert retired(plan([(model, REJECTED)])) == ["a-3"]


def test_a_young_model_that_is_not_registered_yet_stays() -> None:
    planned = plan(approved("a", 9), imported("a", 0.9), imported("a", 1.1))
    assert "not registered yet" in kept(planned)["a-0.9"]
    assert retired(planned) == ["a-1.1"]


def test_what_is_tagged_keep_stays_whatever_the_tag_says() -> None:
    tagged: Registered = [(imported("a", 2, keep=""), APPROVED), (imported("a", 4, keep="yes"), REJECTED)]
    planned = plan([*tagged, *approved("a", 1, 3)], keep=1)
    assert retired(planned) == ["a-3"]


def test_the_young_stay() -> None:
    planned = plan(approved("a", 1, 2, 6.9, 7.1), keep=1, younger_than_days=7)
    assert retired(planned) == ["a-7.1"]
    assert "younger than 7 day" in kept(planned)["a-6.9"]


def test_models_of_others_stay_and_do_not_count() -> None:
    theirs = [imported("", days, model_name="a") for days in (0.1, 0.2)]
    planned = plan(approved("a", 1, 2), *theirs, keep=1)
    assert retired(planned) == ["a-2"]
    assert {reason for name, reason in kept(planned).items() if name.startswith("-")} == {NOT_OURS}


def test_a_model_with_its_own_policy_follows_that() -> None:
    versions = [*approved("a", 1, 2, 3), *approved("b", 1, 2, 3)]
    own = RetentionConfig(keep=3, delete_checkpoint=True)
    planned = plan(versions, by_group={"a": own}, keep=1)
    assert retired(planned) == ["b-3", "b-2"]
    assert {verdict.delete_checkpoint for verdict in planned.retire} == {False}
    assert {verdict.delete_checkpoint for verdict in plan(versions, by_group={"b": own}, keep=1).retire} == {False}
    less = RetentionConfig(keep=1, delete_checkpoint=True)
    assert {verdict.delete_checkpoint for verdict in plan(versions, by_group={"a": less}, keep=3).retire} == {True}


@pytest.mark.parametrize(("make_room", "going"), [(False, ["a-2"]), (True, ["a-2", "a-9", "a-5"])])
def test_before_an_import_rejected_versions_go_and_the_others_only_where_make_room_is_set(
    make_room: bool, going: list[str]
) -> None:
    planned = plan([(imported("a", 2), REJECTED), *approved("a", 3, 5)], imported("a", 9), keep=1)
    assert [verdict.model.name for verdict in planned.before_import(make_room=make_room)] == going


def test_the_summary_tells_what_goes_and_what_staying_costs() -> None:
    summary = plan(approved("a", 1, 2, 3), keep=1).summary()
    assert "To retire: 2 (3.90 USD storage a month for 2 models)" in summary
    assert "a-3: version 1 is not among the 1 newest approved versions, 3 days old" in summary
    assert "To keep: 1 (1.95 USD storage a month for 1 model)" in summary


def test_a_plan_crosses_a_task_border_as_json() -> None:
    planned = plan([(imported("a", 4), REJECTED), *approved("a", 1, 2, 3)], imported("a", 5), keep=1)
    assert RetirementPlan.model_validate({"summary": "", **planned.model_dump(mode="json")}) == planned


groups = st.sampled_from(["", "a", "b"])
ages = st.integers(min_value=0, max_value=60)
statuses = st.sampled_from([None, APPROVED, REJECTED, PENDING])


@given(st.lists(st.tuples(groups, ages, st.booleans(), statuses), max_size=40), st.integers(0, 5), st.integers(0, 30))
def test_whatever_is_imported_no_protected_model_goes_and_none_is_forgotten(
    drawn: list[tuple[str, int, bool, ApprovalStatus | None]], keep: int, days: int
) -> None:
    models = [
        (imported(group, age + number / 1000, **({"keep": "yes"} if tagged else {})), status if group else None)
        for number, (group, age, tagged, status) in enumerate(drawn)
    ]
    planned = plan(
        [(model, status) for model, status in models if status],
        *(model for model, status in models if status is None),
        keep=keep,
        younger_than_days=days,
    )
    going = {verdict.model.arn for verdict in planned.retire}
    assert len(planned.retire) + len(planned.keep) == len(models)
    for model, status in models:
        newer = sum(
            1
            for other, its in models
            if its == APPROVED and other.group == model.group and other.created_at > model.created_at
        )
        protected = (
            not model.is_ours
            or "keep" in model.tags
            or status == PENDING
            or NOW - model.created_at < timedelta(days=days if status else max(days, 1))
            or (status == APPROVED and newer < max(keep, 1))
        )
        assert (model.arn in going) != protected
