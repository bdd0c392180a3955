"""From an evaluation to a champion, on the stand-in: comparison, decision, registry, report, roll back."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context

import pytest

from include.registry.errors import VersionNotImportedError
from include.registry.versions import REPORT_HTML_URI
from include.steps.decide import measure_champion
from include.steps.results import Answer
from tests.support.bedrock_stand_in import BUCKET, Aws
from tests.support.promotion_runs import EQUAL_IS_ENOUGH, RUN_URL, Runs, early, finished, forgetful
from tests.support.registering import register_one


def test_base_early_and_finished_get_three_honest_decisions(runs: Runs) -> None:
    base = runs.run(runs.plan(), lambda *_: False)
    early_run = runs.run(runs.plan(), early)
    finished_run = runs.run(runs.plan(), finished)
    again = runs.run(runs.plan(), early)
    statuses = [done["register_version"]["status"] for done in (base, early_run, finished_run, again)]
    assert statuses == ["Rejected", "Approved", "Approved", "Rejected"]
    assert [done["register_version"]["promoted"] for done in (base, early_run, finished_run, again)] == [
        False, True, True, False,
    ]  # fmt: skip
    assert runs.champion() == 3
    assert "worse beyond the margin" in again["decide_promotion"]["reasons"][0]


def test_a_category_that_broke_blocks_and_is_shown_in_the_report(runs: Runs) -> None:
    runs.run(runs.plan(), lambda index, category: category == "Oceania" or index % 3 > 0)
    plan = runs.plan()
    done = runs.run(plan, forgetful)
    assert done["register_version"]["status"] == "Rejected"
    assert any("'Oceania'" in reason for reason in done["decide_promotion"]["reasons"])
    page = runs.page(plan, done)
    assert "✗ blocks" in page
    assert "Broken: 20" in page


def test_everything_about_a_version_is_in_the_registry(runs: Runs) -> None:
    plan = runs.plan(licence="MIT", adapter="include/demo/adapters/finished")
    done = runs.run(plan, finished)
    described = runs.clients.sagemaker.describe_model_package(ModelPackageName=done["register_version"]["arn"])
    metadata = described["CustomerMetadataProperties"]
    assert (
        metadata.items()
        >= {
            "fingerprint": plan.fingerprint,
            "imported_model_arn": runs.model_arn,
            "s3_uri": plan.s3_uri,
            "base": "base",
            "adapter": "include/demo/adapters/finished",
            "licence": "MIT",
            "body_format": "OpenAICompletion",
            "converse": "true",
            "custom_model_units": "1",
            "dag_run_url": RUN_URL,
            "score.f1": "1.000000",
            "report_uri": done["evaluate_model"]["report_uri"],
            REPORT_HTML_URI: f"s3://{BUCKET}/{plan.evaluation_prefix}/report.html",
        }.items()
    )
    assert {"job_arn", "dataset_digest", "cost", "decision"} <= metadata.keys()
    assert described["ApprovalDescription"] == "f1 1.000 reaches 0.500; there is no champion yet"
    statistics = described["ModelMetrics"]["ModelQuality"]["Statistics"]
    assert statistics == {"ContentType": "application/json", "S3Uri": done["evaluate_model"]["report_uri"]}
    card = json.loads(described["ModelCard"]["ModelCardContent"])
    assert card["additional_information"]["custom_details"]["imported_model_name"] == "served"


def test_a_champion_that_answered_other_questions_is_asked_these(runs: Runs, aws: Aws) -> None:
    first = runs.run(runs.plan(), finished)
    report_key = first["evaluate_model"]["report_uri"].removeprefix(f"s3://{BUCKET}/")
    earlier = json.loads(runs.clients.s3.get_object(Bucket=BUCKET, Key=report_key)["Body"].read())
    other = json.dumps(earlier | {"conditions_digest": "of other questions"}).encode()
    runs.clients.s3.put_object(Bucket=BUCKET, Key=report_key, Body=other)
    aws.script("fixed-answer", text="Nairobi")
    plan = runs.plan()
    found = measure_champion(plan, runs.evaluated(plan, finished), runs.clients)
    aws.script("fixed-answer")
    assert "was asked the same questions" in found.summary
    assert found.report_uri.startswith(f"s3://{BUCKET}/{plan.evaluation_prefix}/")


def test_a_champion_whose_model_is_gone_leaves_the_decision_to_a_person_and_says_so(runs: Runs, aws: Aws) -> None:
    gone = aws.import_model(f"s3://{BUCKET}/whole/", f"gone-{uuid.uuid4().hex[:6]}")
    first = runs.run(runs.plan(), finished, gone)
    runs.clients.s3.delete_object(
        Bucket=BUCKET, Key=first["evaluate_model"]["report_uri"].removeprefix(f"s3://{BUCKET}/")
    )
    runs.clients.bedrock.delete_imported_model(modelIdentifier=gone)
    done = runs.run(runs.plan(), finished)
    assert done["register_version"]["status"] == "PendingManualApproval"
    assert "the imported model of version 1 is gone" in done["decide_promotion"]["reasons"][0]
    with pytest.raises(VersionNotImportedError):
        runs.roll_back(1)


@pytest.mark.parametrize(("approved", "champion"), [(True, 2), (False, 1)])
def test_a_persons_answer_is_recorded_and_stays(runs: Runs, approved: bool, champion: int) -> None:
    runs.run(runs.plan(), early)
    plan = runs.plan(promotion="manual")
    done = runs.run(plan, finished)
    assert runs.champion() == 1
    answer = Answer(approved=approved, by="Maria", at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC), comment="looks right")
    answered = runs.answer(plan, done, answer)
    assert runs.champion() == champion
    assert answered["promoted"] is approved
    assert "by Maria, 2026-11-22 10:00 UTC: looks right" in runs.page(plan, {**done, "record_answer": answered})
    again = runs.run(plan, finished)
    assert again["register_version"]["status"] == answered["status"]
    assert again["register_version"]["promoted"] is False


def test_what_the_deadline_answered_is_asked_again_by_the_next_run(runs: Runs) -> None:
    plan = runs.plan(promotion="manual")
    done = runs.run(plan, finished)
    answer = Answer(approved=False, by="", at=datetime.now(UTC))
    answered = runs.answer(plan, done, answer)
    assert answered["status"] == "Rejected"
    assert "there was no answer before the deadline" in answered["reason"]
    assert runs.run(plan, finished)["register_version"]["status"] == "PendingManualApproval"


def test_a_roll_back_makes_the_earlier_version_the_champion_and_no_run_undoes_it(runs: Runs) -> None:
    runs.run(runs.plan(), early)
    plan = runs.plan()
    runs.run(plan, finished)
    assert runs.roll_back(None)["champion"] == 1
    assert runs.champion() == 1
    again = runs.run(plan, finished)
    assert again["decide_promotion"]["reasons"] == ["Maria has decided: Rejected"]
    assert runs.champion() == 1
    assert runs.roll_back(2)["changed"] is True
    assert runs.champion() == 2
    assert runs.roll_back(2)["changed"] is False


def test_an_older_content_that_is_run_again_does_not_replace_a_newer_champion(runs: Runs) -> None:
    older = runs.plan()
    runs.run(older, finished)
    runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)
    again = runs.run(older, finished)
    assert (again["register_version"]["status"], again["register_version"]["promoted"]) == ("Approved", False)
    assert runs.champion() == 2


def test_registrations_by_several_processes_at_once_all_survive_and_none_is_doubled(aws: Aws) -> None:
    with ProcessPoolExecutor(4, get_context("spawn")) as pool:
        jobs = [pool.submit(register_one, aws, "crowd", letter * 64) for letter in "abcabc"]
        numbers = [job.result() for job in jobs]
    assert sorted(set(numbers)) == [1, 2, 3]
    assert numbers[:3] == numbers[3:]
