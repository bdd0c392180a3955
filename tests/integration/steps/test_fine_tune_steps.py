"""The steps of a fine-tune against the stand-in for AWS; the job's entrypoint is a few lines that need no torch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.demo.environment import create_user, deploy_stacks
from include.preflight.findings import PreflightFailedError
from include.steps.hand_over import event_of
from include.steps.newest_fine_tune import newest_fine_tune
from include.steps.prepare_training import prepare_training
from include.steps.record_training import record_training
from include.steps.training_results import StartedTrainingResult
from include.training.errors import LeakageError, TrainingCardMissingError, TrainingInputsChangedError
from include.training.training_record import read_record, record_uri, record_uri_beside
from tests.support.cloud_sources import Cloud
from tests.support.fine_tuning import CARD, LEAVE_CARD, FineTuning
from tests.support.workers import files_of_runs

ASKING = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["iam:Get*", "iam:Simulate*", "s3:*", "sagemaker:ListModelPackage*", "sts:*"],
            "Resource": "*",
        }
    ],
}


@pytest.fixture
def tuning(cloud: Cloud, tmp_path: Path) -> FineTuning:
    return FineTuning(cloud.s3.meta.endpoint_url, tmp_path).create()


def keys(tuning: FineTuning) -> set[str]:
    found = tuning.clients.s3.list_objects_v2(Bucket=tuning.bucket).get("Contents", ())
    return {entry["Key"] for entry in found}


def run_job(tuning: FineTuning, request: dict[str, Any], script: str) -> StartedTrainingResult:
    sagemaker, name = tuning.clients.sagemaker, request["TrainingJobName"]
    request["AlgorithmSpecification"]["ContainerArguments"] = [script]
    arn = sagemaker.create_training_job(**request)["TrainingJobArn"]
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        time.sleep(0.1)
    assert job["TrainingJobStatus"] == "Completed", job
    return StartedTrainingResult(job_arn=arn, job_name=name, attempt=1, adopted=False)


def test_data_and_base_become_a_recorded_training_that_an_import_finds(tuning: FineTuning) -> None:
    plan = tuning.plan()
    prepared = prepare_training(plan, tuning.clients)
    assert json.dumps(prepared.request).count("hf_") == 0
    tuning.put_card(plan)
    started = run_job(tuning, prepared.request, LEAVE_CARD)
    record = record_training(plan, prepared, started, tuning.clients)
    uri = record_uri(tuning.bucket, "models", plan.config.model_name, plan.fingerprint)
    assert read_record(tuning.clients.s3, uri) == record
    assert record_uri_beside(record.artifact_uri) == uri
    assert [(point.step, point.train, point.held_out) for point in record.loss] == [(1, 2.5, 2.4), (2, 1.5, 1.6)]
    assert (record.steps, record.tokens, record.attempts) == (CARD["steps"], 120, 1)
    landed = newest_fine_tune("fine-tunes", [event_of(record)])
    assert landed.artifact == f"sagemaker:training-job/{plan.job_name}"
    assert landed.landed_at == record.finished_at


def test_the_job_reads_the_base_the_two_sides_of_the_split_and_the_script_with_its_settings(
    tuning: FineTuning,
) -> None:
    plan = tuning.plan()
    request = prepare_training(plan, tuning.clients).request
    channels = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"].removeprefix(f"s3://{tuning.bucket}/")
        for channel in request["InputDataConfig"]
    }
    files = {name: {key.removeprefix(prefix) for key in keys(tuning) if key.startswith(prefix)}
             for name, prefix in channels.items()}  # fmt: skip
    assert {"config.json", "model.safetensors", "tokenizer_config.json"} <= files["model"]
    assert "train.safetensors" in files["train"]
    assert any(name.startswith("tokenizer/") for name in files["train"])
    assert files["held_out"] == {"held_out.safetensors"}
    assert {"bootstrap.py", "train.py", "settings.json", "requirements.txt"} <= files["code"]
    assert f"{plan.prefix}/checkpoints/" in request["CheckpointConfig"]["S3Uri"]
    assert "Environment" not in request
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 24 * 3600, "MaxWaitTimeInSeconds": 36 * 3600}


def test_with_a_workspace_in_s3_a_worker_has_nothing_of_the_run_afterwards(
    tuning: FineTuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    tuning.values["account"]["workspace"] = f"s3://{tuning.bucket}/working"
    plan = tuning.plan()
    assert prepare_training(plan, tuning.clients).examples > 0
    assert files_of_runs(tmp_path / "home") == []
    assert not [key for key in keys(tuning) if key.startswith("working/")]
    assert f"{plan.prefix}/data_report.json" in keys(tuning)


def test_a_second_run_prepares_nothing_again(tuning: FineTuning, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare_training(tuning.plan("run-1"), tuning.clients)
    monkeypatch.setattr("include.training.preparation.prepare", lambda job: pytest.fail("prepared again"))
    monkeypatch.setattr("include.delivery.upload.upload", lambda *_, **__: pytest.fail("delivered again"))
    second = prepare_training(tuning.plan("run-2"), tuning.clients)
    tags = {tag["Key"]: tag["Value"] for tag in second.request["Tags"]}
    assert tags["dag_run_id"] == "run-2"
    assert {**second.request, "Tags": 0} == {**first.request, "Tags": 0}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"seed": 1}, False),
        ({"lora": {"r": 4}}, False),
        ({"epochs": 2}, False),
        ({"job": {"instance_type": "ml.p5.48xlarge", "spot": False}}, True),
    ],
    ids=["seed", "rank", "epochs", "another instance"],
)
def test_what_changes_the_adapter_is_another_training_and_where_it_runs_is_not(
    tuning: FineTuning, change: dict[str, Any], same: bool
) -> None:
    first = tuning.plan()
    tuning.values["training"] |= change
    assert (tuning.plan().fingerprint == first.fingerprint) is same


def test_other_data_and_a_forced_run_are_other_trainings_and_a_retry_of_it_is_not(tuning: FineTuning) -> None:
    first = tuning.plan()
    tuning.values["force"] = True
    forced = [tuning.plan(run).fingerprint for run in ("run-1", "run-1", "run-2")]
    assert forced[0] == forced[1] != forced[2] != first.fingerprint
    tuning.values["force"] = False
    tuning.write_data(f"What is the capital of number {number}?" for number in range(10))
    assert tuning.plan().fingerprint not in (first.fingerprint, *forced)


def _no_settings(tuning: FineTuning) -> None:
    del tuning.values["account"]["training_role_arn"], tuning.values["account"]["training_image"]


def _other_role(tuning: FineTuning) -> None:
    tuning.values["account"]["training_role_arn"] += "-missing"


def _data(**values: str) -> Callable[[FineTuning], None]:
    return lambda tuning: tuning.values["training"].update(values)


def _prompt(tuning: FineTuning) -> None:
    tuning.values["evaluation"]["prompt_template"] = "Human: {question}"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_settings, ("training_role_arn): it is not set", "training_image): it is not set", "training.job.image")),
        (_other_role, ("there is no such role", "FineTuning=true")),
        (_data(format="openorca"), ("not in the format openorca", "training.format")),
        (_data(data="include/demo/missing.jsonl"), ("missing.jsonl",)),
        (_data(chat_template="v7"), ("does not fit the base's tokenizer",)),
        (_prompt, ("another prompt than it is evaluated with", "Set evaluation.prompt_template to '[INST] {question}")),
    ],
    ids=["settings", "role", "columns", "no data", "template", "prompt"],
)
def test_what_is_wrong_is_found_before_any_work_with_its_remedy(
    tuning: FineTuning, spoil: Callable[[FineTuning], None], said: tuple[str, ...]
) -> None:
    spoil(tuning)
    with pytest.raises(PreflightFailedError) as caught:
        tuning.plan()
    assert [words for words in said if words not in str(caught.value)] == []
    assert keys(tuning) == set()


def test_a_role_that_sagemaker_may_not_assume_is_found_before_any_work(cloud: Cloud, tmp_path: Path) -> None:
    tuning = FineTuning(cloud.s3.meta.endpoint_url, tmp_path)
    tuning.clients.s3.create_bucket(Bucket=tuning.bucket)
    principal = {"Service": "bedrock.amazonaws.com"}
    tuning.trust({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
    with pytest.raises(PreflightFailedError, match=r"no statement names the service sagemaker\.amazonaws\.com"):
        tuning.plan()


def test_what_the_role_and_the_caller_lack_is_found_before_any_work(tuning: FineTuning) -> None:
    iam, objects = tuning.clients.iam, f"arn:aws:s3:::{tuning.bucket}"
    allowed = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": [objects, f"{objects}/*"]}
    statement = {"Version": "2012-10-17", "Statement": [allowed]}
    iam.put_role_policy(RoleName=tuning.role, PolicyName="job", PolicyDocument=json.dumps(statement))
    tuning.act_as(*create_user(tuning.endpoint, f"nobody-{tuning.role}"))
    iam.put_user_policy(UserName=f"nobody-{tuning.role}", PolicyName="ask", PolicyDocument=json.dumps(ASKING))
    with pytest.raises(PreflightFailedError) as caught:
        tuning.plan()
    said = str(caught.value)
    assert "cannot read its data and write checkpoints and adapters: no policy allows s3:PutObject" in said
    for action in ("iam:PassRole", "sagemaker:CreateTrainingJob", "sagemaker:AddTags", "sagemaker:DescribeTrainingJob"):
        assert f'"Action": ["{action}"]' in said, said


def test_the_stacks_role_and_runner_have_what_a_fine_tune_needs(
    cloud: Cloud, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = cloud.s3.meta.endpoint_url
    tuning = FineTuning(endpoint, tmp_path)
    tuning.act_as(*create_user(endpoint, "runner"))
    outputs = deploy_stacks(endpoint, "runner", FineTuning="true")
    tuning.values["account"] |= {name: outputs[name] for name in ("bucket", "prefix", "training_role_arn")}
    with caplog.at_level("INFO"):
        plan = tuning.plan()
    assert [record.getMessage() for record in caplog.records if record.levelname != "INFO"] == []
    prepare_training(plan, tuning.clients)


def test_leaked_questions_are_found_before_anything_is_sent(tuning: FineTuning) -> None:
    tuning.write_data(
        ["Give the name of the capital city of Egypt.", *(f"Capital of number {number}?" for number in range(9))]
    )
    plan = tuning.plan()
    with pytest.raises(LeakageError):
        prepare_training(plan, tuning.clients)
    assert keys(tuning) == set()


def test_data_that_changed_since_the_plan_is_not_trained_under_its_name(tuning: FineTuning) -> None:
    plan = tuning.plan()
    tuning.write_data(f"Capital of number {number}?" for number in range(9))
    with pytest.raises(TrainingInputsChangedError, match="Trigger a new run"):
        prepare_training(plan, tuning.clients)
    assert keys(tuning) == set()


def test_an_artifact_of_another_script_has_no_record(tuning: FineTuning) -> None:
    plan = tuning.plan()
    prepared = prepare_training(plan, tuning.clients)
    started = run_job(tuning, prepared.request, 'echo {} > "$SM_MODEL_DIR/adapter_config.json"')
    with pytest.raises(TrainingCardMissingError, match="not written by this project's script"):
        record_training(plan, prepared, started, tuning.clients)
