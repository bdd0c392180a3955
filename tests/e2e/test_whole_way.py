"""The whole way through a real Airflow; the tests build on each other, in this order."""

from __future__ import annotations

import json

import pytest
import requests

from bedrock_import.pools import POOLS
from include.demo.run_view import RunFailedError
from include.evaluation.responses import read_answer
from tests.airflow_system import DAG_ID, System


@pytest.fixture(scope="module")
def finished(system: System) -> dict[str, object]:
    return system.run(adapter="include/demo/adapters/finished")


def test_a_run_imports_measures_promotes_and_registers_the_model(system: System, finished: dict[str, object]) -> None:
    assert finished["evaluate_model"]["scores"]["f1"] >= 0.9
    assert finished["decide_promotion"]["status"] == "Approved"
    assert finished["register_version"]["version"] == 1
    assert system.approved_versions() == [1]


def test_the_pools_in_which_imports_queue_are_there_without_a_hand(system: System, finished: dict[str, object]) -> None:
    pools = system.airflow().get("/pools")["pools"]
    found = {pool["name"]: (pool["slots"], pool["include_deferred"]) for pool in pools}
    assert {name: found[name] for name in POOLS} == dict.fromkeys(POOLS, (1, True))


def test_the_imported_model_answers_an_application(system: System, finished: dict[str, object]) -> None:
    body = {"prompt": "[INST] What is the capital of Portugal? [/INST]", "max_tokens": 16, "temperature": 0}
    response = system.client("bedrock-runtime").invoke_model(
        modelId=finished["wait_for_import"]["imported_model_arn"], body=json.dumps(body)
    )
    assert "Lisbon" in read_answer(json.loads(response["body"].read())).text


def test_import_job_and_model_carry_the_fingerprint_and_the_run(system: System, finished: dict[str, object]) -> None:
    bedrock = system.client("bedrock")
    for arn in (finished["wait_for_import"]["job_arn"], finished["wait_for_import"]["imported_model_arn"]):
        tags = {tag["key"]: tag["value"] for tag in bedrock.list_tags_for_resource(resourceARN=arn)["tags"]}
        assert tags["fingerprint"] == finished["preflight"]["fingerprint"]
        assert tags["dag_id"] == DAG_ID


def test_the_imported_prefix_holds_what_bedrock_reads_and_nothing_else(
    system: System, finished: dict[str, object]
) -> None:
    plan = finished["preflight"]
    prefix = plan["s3_uri"].removeprefix(f"s3://{plan['bucket']}/")
    contents = system.client("s3").list_objects_v2(Bucket=plan["bucket"], Prefix=prefix)["Contents"]
    names = {item["Key"].removeprefix(prefix) for item in contents}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    assert not {name for name in names if "/" in name or "manifest" in name}


def test_the_same_content_again_creates_nothing(system: System, finished: dict[str, object]) -> None:
    before = system.inventory()
    again = system.run(adapter="include/demo/adapters/finished")
    assert system.inventory() == before
    assert again["create_import_job"]["adopted"]
    assert again["upload_checkpoint"]["bytes_sent"] == 0
    assert again["register_version"] == finished["register_version"] | {"promoted": False}
    assert "announce_promotion" not in again


def test_a_weaker_adapter_becomes_a_version_but_not_the_champion(system: System, finished: dict[str, object]) -> None:
    early = system.run(adapter="include/demo/adapters/early")
    assert early["evaluate_model"]["scores"]["f1"] < finished["evaluate_model"]["scores"]["f1"]
    assert early["register_version"]["version"] == 2
    assert early["register_version"]["status"] == "Rejected"
    assert system.approved_versions() == [1]


def test_an_import_that_fails_while_the_triggerer_waits_fails_the_run_with_bedrocks_message(
    system: System, finished: dict[str, object]
) -> None:
    versions = system.inventory().versions
    system.script_fault("fail-next-import", message="The weights are written in invisible ink")
    with pytest.raises(RunFailedError) as failed:
        system.run_with_deferred_import(adapter=None)
    assert "wait_for_import" in str(failed.value)
    assert "ModelImportJobFailedError" in str(failed.value)
    assert "invisible ink" in str(failed.value)
    assert system.inventory().versions == versions
    assert system.approved_versions() == [1]


def test_the_next_run_imports_under_the_next_name_and_completes_through_the_triggerer(system: System) -> None:
    base = system.run_with_deferred_import(adapter=None)
    assert base["create_import_job"]["job_name"].endswith("-2")
    assert base["evaluate_model"]["scores"]["f1"] <= 0.1
    assert base["register_version"]["status"] == "Rejected"
    assert system.approved_versions() == [1]


@pytest.mark.parametrize(
    "wrong", [{"evaluation_max_tokens": 0}, {"promotion": "always"}, {"base": ""}, {"role_arn": "admin"}]
)
def test_a_run_with_a_wrong_parameter_is_not_even_started(system: System, wrong: dict[str, object]) -> None:
    airflow = system.airflow()
    with pytest.raises(requests.HTTPError) as refused:
        airflow.trigger(DAG_ID, wrong)
    assert refused.value.response.status_code == requests.codes.bad_request


def test_a_run_that_cannot_succeed_is_told_everything_that_is_wrong_before_any_work(system: System) -> None:
    before = system.inventory()
    with pytest.raises(RunFailedError) as failed:
        system.run(adapter="include/demo/nowhere", evaluation_dataset="missing.jsonl", bucket="no-such-bucket-here")
    assert all(part in str(failed.value) for part in ("preflight", "nowhere", "missing.jsonl", "no-such-bucket-here"))
    assert system.inventory() == before
