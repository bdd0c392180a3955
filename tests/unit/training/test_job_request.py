"""The request for a training job; botocore's service model says what SageMaker takes."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from include.config.model import parse_model_config
from include.training.fingerprint import script_digest, script_files
from include.training.job_request import job_request
from include.training.plan import TrainingPlan

KEY = "arn:aws:kms:us-east-1:123456789012:key/k"
MODEL = "a-model-with-a-name-of-forty-characters1"


def plan(account: dict[str, Any] | None = None, **job: Any) -> TrainingPlan:
    values: dict[str, Any] = {
        "model_name": MODEL,
        "base": "s3://bucket/base",
        "evaluation": {"dataset": "eval.jsonl"},
        "training": {"data": "s3://bucket/data.jsonl", "format": "messages", "job": job},
        "account": account or {},
    }
    return TrainingPlan(
        config=parse_model_config(values, "a test"),
        content="c" * 64,
        fingerprint="f" * 64,
        base_digest="b" * 64,
        region_name="us-east-1",
        aws_conn_id="aws_default",
        role_arn="arn:aws:iam::123456789012:role/training",
        image="123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
        bucket="models",
        dollars_per_hour=4.6,
        workspace="/workspace",
        tags={"fingerprint": "f" * 64, "model_name": MODEL},
    )


def request(account: dict[str, Any] | None = None, **job: Any) -> dict[str, Any]:
    return job_request(plan(account, **job), "s3://models/base/")


@pytest.mark.parametrize("job", [{}, {"spot": False}, {"wheels": "s3://packages/w", "network_isolation": True}])
def test_sagemaker_takes_the_request(job: dict[str, Any]) -> None:
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateTrainingJob")
    report = ParamValidator().validate(request(**job), shape.input_shape)
    assert not report.has_errors(), report.generate_report()


def test_the_longest_name_leaves_room_for_many_attempts() -> None:
    assert len(request()["TrainingJobName"]) + len("-100") <= 63


def test_no_token_is_in_reach_and_settings_are_not_among_the_hyperparameters() -> None:
    found = request()
    assert "Environment" not in found
    assert found["HyperParameters"] == {"fingerprint": "f" * 64}
    assert max(map(len, found["AlgorithmSpecification"]["ContainerArguments"])) <= 256


def test_checkpoints_belong_to_the_content_and_not_to_a_job() -> None:
    place = f"s3://models/models/{MODEL}/training/{'f' * 64}"
    assert request()["CheckpointConfig"]["S3Uri"] == f"{place}/checkpoints/"
    assert request()["OutputDataConfig"] == {"S3OutputPath": place}


def test_spot_capacity_has_a_longest_wait_and_on_demand_has_none() -> None:
    spot = request(max_hours=2, max_wait_hours=5)
    assert spot["EnableManagedSpotTraining"]
    assert spot["StoppingCondition"] == {"MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": 18000}
    on_demand = request(max_hours=2, spot=False)
    assert not on_demand["EnableManagedSpotTraining"]
    assert on_demand["StoppingCondition"] == {"MaxRuntimeInSeconds": 7200}


def test_the_end_is_waited_for_longer_than_the_service_lets_a_job_run() -> None:
    for job in ({}, {"max_hours": 2, "max_wait_hours": 5}, {"max_hours": 100, "spot": False}):
        limits = request(**job)["StoppingCondition"]
        assert plan(**job).wait_seconds > max(limits.values())


def test_a_job_without_a_network_has_its_packages_in_a_channel() -> None:
    found = request(wheels="s3://packages/wheels", network_isolation=True)
    channels = {each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3Uri"] for each in found["InputDataConfig"]}
    assert channels["wheels"] == "s3://packages/wheels/"
    assert found["EnableNetworkIsolation"]
    assert "wheels" not in {each["ChannelName"] for each in request()["InputDataConfig"]}


def test_the_accounts_key_encrypts_what_the_job_writes_and_processes_are_passed_on() -> None:
    assert request({"kms_key_id": KEY})["OutputDataConfig"]["KmsKeyId"] == KEY
    assert request(processes=2)["HyperParameters"]["processes"] == "2"


def test_the_whole_script_and_what_it_needs_is_shipped_and_identified() -> None:
    names = {path.name for path in script_files()}
    assert {"bootstrap.py", "train.py", "__init__.py", "requirements.txt", "requirements-qlora.txt"} <= names
    assert len(script_digest()) == 64
