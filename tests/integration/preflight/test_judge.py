"""What preflight says of a judge: the model, the right to ask it, and its rubric."""

from __future__ import annotations

from typing import Any

import pytest

from include.preflight.findings import Finding
from tests.support.account import Account, statement_in
from tests.support.bedrock_stand_in import REGION, Aws
from tests.support.judging import MODEL

PROFILE = f"us.{MODEL}"


@pytest.fixture
def judged(account: Account, aws: Aws) -> Account:
    aws.script("judge", model=MODEL)
    account.put_user_policy({"Effect": "Allow", "Action": ["bedrock:GetFoundationModel", "bedrock:GetInferenceProfile"],
                             "Resource": "*"}, name="look-at-judges")  # fmt: skip
    return account


def errors(account: Account, **judge: Any) -> tuple[Finding, ...]:
    account.values["judge"] = {"model": MODEL} | judge
    return account.errors()


@pytest.mark.parametrize("model", [MODEL, PROFILE])
def test_the_right_to_ask_the_judge_is_missed_for_each_model_and_the_remedies_give_it(
    judged: Account, aws: Aws, model: str
) -> None:
    aws.script("judge", model=PROFILE, routes_to=[MODEL, "example.other-v1:0"])
    found = errors(judged, model=model)
    resources = [statement_in(finding.remedy)["Resource"] for finding in found]
    models = [f"arn:aws:bedrock:{REGION}::foundation-model/{MODEL}"]
    if model == PROFILE:
        models = [
            f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/{PROFILE}",
            *models,
            f"arn:aws:bedrock:{REGION}::foundation-model/example.other-v1:0",
        ]
    assert resources == models
    assert all("it cannot ask the judge" in finding.found for finding in found)
    judged.put_user_policy(*(statement_in(finding.remedy) for finding in found), name="remedy")
    assert errors(judged, model=model) == ()


def test_a_judge_that_bedrock_does_not_have_is_named(judged: Account) -> None:
    [error] = errors(judged, model="example.unknown-v1:0")
    assert (error.check, error.which) == ("judge", "example.unknown-v1:0")
    assert "no such model or inference profile" in error.found


def test_a_model_that_only_an_inference_profile_serves_is_no_judge_under_its_own_id(judged: Account, aws: Aws) -> None:
    aws.script("judge", model=MODEL, on_demand=False)
    problems = [finding for finding in errors(judged) if finding.check == "judge"]
    assert [finding.found for finding in problems] == ["the model is not served on demand under its own id"]
    assert "inference profile that contains this model" in problems[0].remedy


def test_a_legacy_judge_is_a_warning(judged: Account, aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    aws.script("judge", model=MODEL, status="LEGACY")
    found = errors(judged)
    assert [finding.check for finding in found] == ["caller permissions"]
    assert f"WARNING judge ({MODEL}): Bedrock calls this model legacy" in caplog.text


@pytest.mark.parametrize("model", [MODEL, PROFILE])
def test_a_caller_who_may_not_look_at_models_still_has_to_be_allowed_to_ask_the_judge(
    account: Account, aws: Aws, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    aws.script("judge", model=MODEL)
    [error] = errors(account, model=model)
    assert f"WARNING judge ({model}): not checked" in caplog.text
    kind = "123456789012:inference-profile" if model == PROFILE else ":foundation-model"
    assert statement_in(error.remedy)["Resource"] == f"arn:aws:bedrock:{REGION}:{kind}/{model}"
    account.put_user_policy(statement_in(error.remedy), name="remedy")
    assert errors(account, model=model) == ()


@pytest.mark.parametrize(
    ("content", "found"), [(None, "nothing"), (b"", "0 characters"), (b"\xff", "no UTF-8"), (b"x" * 20_001, "20,001")]
)
def test_a_rubric_that_cannot_be_used_is_named(judged: Account, content: bytes | None, found: str) -> None:
    path = judged.folder / "rubric.txt"
    if content is not None:
        path.write_bytes(content)
    rubrics = [finding for finding in errors(judged, rubric_file=str(path)) if finding.which == str(path)]
    assert [finding.check for finding in rubrics] == ["judge"]
    assert found in rubrics[0].found
    assert "judge.rubric_file" in rubrics[0].remedy


def test_a_rubric_in_s3_is_read_and_the_log_says_how_much_is_asked(
    judged: Account, caplog: pytest.LogCaptureFixture
) -> None:
    judged.admin("s3").put_object(Bucket=judged.bucket, Key="models/rubric.txt", Body=b"Prefer the shorter answer.")
    with caplog.at_level("INFO"):
        found = errors(judged, rubric_file=f"s3://{judged.bucket}/models/rubric.txt", records=50, repetitions=2)
    assert [finding.check for finding in found] == ["caller permissions"]
    assert "asked are at most 200 questions about the answers in each of: evaluation" in caplog.text
