from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from include.aws.imported_models import ImportedModel
from include.config.model import RetentionConfig
from include.registry.versions import ModelVersion
from include.retention.selection import NOT_OURS, RetentionPolicies, RetirementPlan, plan_retirement
from include.service.pricing import model_cost

NOW = datetime(2026, 11, 22, tzinfo=UTC)
UNITS = {"customModelUnitsPerModelCopy": 1, "customModelUnitsVersion": "v1.0"}


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


def champion(model: ImportedModel, arn: str | None = None) -> ModelVersion:
    metadata = {"fingerprint": model.fingerprint, "imported_model_arn": arn or model.arn}
    return ModelVersion(arn="arn:version", number=7, status="Approved", created_at=NOW, metadata=metadata)


def plan(
    models: list[ImportedModel],
    champions: dict[str, ModelVersion | None] | None = None,
    by_group: dict[str, RetentionConfig] | None = None,
    **policy: object,
) -> RetirementPlan:
    everyone = {model.group: None for model in models} | (champions or {})
    policies = RetentionPolicies(RetentionConfig.model_validate(policy), by_group or {})
    return plan_retirement(models, everyone, policies, NOW)


def retired(planned: RetirementPlan) -> list[str]:
    return [verdict.model.name for verdict in planned.retire]


def kept(planned: RetirementPlan) -> dict[str, str]:
    return {verdict.model.name: verdict.reason for verdict in planned.keep}


def test_the_newest_of_each_model_stay_and_the_oldest_go_first() -> None:
    models = [imported("a", days) for days in (1, 2, 3, 4)] + [imported("b", 9)]
    planned = plan(models, keep=2)
    assert retired(planned) == ["a-4", "a-3"]
    assert set(kept(planned)) == {"a-1", "a-2", "b-9"}
    assert "among the 2 newest of a" in kept(planned)["a-1"]


def test_the_champion_stays_however_old_it_is() -> None:
    models = [imported("a", days) for days in (1, 2, 300)]
    planned = plan(models, {"a": champion(models[2])}, keep=1)
    assert retired(planned) == ["a-2"]
    assert "champion, version 7" in kept(planned)["a-300"]


def test_the_champion_is_known_by_its_content_after_it_was_imported_anew() -> None:
    models = [imported("a", days) for days in (1, 2)]
    assert retired(plan(models, {"a": champion(models[1], arn="arn:of-before")}, keep=1)) == []


def test_what_is_tagged_keep_stays_whatever_the_tag_says() -> None:
    planned = plan([imported("a", 1), imported("a", 2, keep=""), imported("a", 3)], keep=1)
    assert retired(planned) == ["a-3"]


def test_the_young_stay() -> None:
    planned = plan([imported("a", days) for days in (1, 2, 6.9, 7.1)], keep=1, younger_than_days=7)
    assert retired(planned) == ["a-7.1"]
    assert "younger than 7 day" in kept(planned)["a-6.9"]


def test_models_of_others_stay_and_do_not_count() -> None:
    theirs = [imported("", days, model_name="a") for days in (0.1, 0.2)]
    planned = plan([*theirs, imported("a", 1), imported("a", 2)], keep=1)
    assert retired(planned) == ["a-2"]
    assert {reason for name, reason in kept(planned).items() if name.startswith("-")} == {NOT_OURS}


def test_a_model_with_its_own_policy_follows_that() -> None:
    models = [imported(group, days) for group in ("a", "b") for days in (1, 2, 3)]
    own = RetentionConfig(keep=3, delete_checkpoint=True)
    planned = plan(models, by_group={"a": own}, keep=1)
    assert retired(planned) == ["b-3", "b-2"]
    assert {verdict.delete_checkpoint for verdict in planned.retire} == {False}
    assert {verdict.delete_checkpoint for verdict in plan(models, by_group={"b": own}, keep=1).retire} == {False}
    less = RetentionConfig(keep=1, delete_checkpoint=True)
    assert {verdict.delete_checkpoint for verdict in plan(models, by_group={"a": less}, keep=3).retire} == {True}


def test_the_summary_tells_what_goes_and_what_staying_costs() -> None:
    summary = plan([imported("a", days) for days in (1, 2, 3)], keep=1).summary()
    assert "To retire: 2 (3.90 USD storage a month for 2 model(s))" in summary
    assert "a-3: 2 newer version(s) of a, 3 day(s) old" in summary
    assert "To keep: 1 (1.95 USD storage a month for 1 model(s))" in summary


def test_a_plan_crosses_a_task_border_as_json() -> None:
    planned = plan([imported("a", days) for days in (1, 2, 3)], keep=1)
    assert RetirementPlan.model_validate({"summary": "", **planned.model_dump(mode="json")}) == planned


groups = st.sampled_from(["", "a", "b"])
ages = st.integers(min_value=0, max_value=60)


@given(st.lists(st.tuples(groups, ages, st.booleans()), max_size=40), st.integers(1, 5), st.integers(0, 30))
def test_whatever_is_imported_no_protected_model_goes_and_none_is_forgotten(
    drawn: list[tuple[str, int, bool]], keep: int, days: int
) -> None:
    models = [
        imported(group, age + number / 1000, **({"keep": "yes"} if tagged else {}))
        for number, (group, age, tagged) in enumerate(drawn)
    ]
    ours = [model for model in models if model.is_ours]
    champions = {model.group: champion(model) for model in ours[:2]}
    planned = plan(models, dict(champions), keep=keep, younger_than_days=days)
    going = {verdict.model.arn for verdict in planned.retire}
    assert len(planned.retire) + len(planned.keep) == len(models)
    for model in models:
        newer = sum(1 for other in ours if other.group == model.group and other.created_at > model.created_at)
        protected = (
            not model.is_ours
            or "keep" in model.tags
            or NOW - model.created_at < timedelta(days=days)
            or newer < keep
            or (model.group in champions and champions[model.group].imported_model_arn == model.arn)
        )
        assert (model.arn in going) != protected
