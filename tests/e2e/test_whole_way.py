"""The whole way through a real Airflow; the tests build on each other, in this order."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import pytest
import requests
import torch
from peft import PeftModel
from rich.console import Console
from safetensors.torch import load
from transformers import AutoModelForCausalLM

from include.aws.s3_uri import S3Uri
from include.config.files import read_model_file
from include.demo.airflow_server import IMPORT_POOL
from include.demo.inventory import Inventory, champion_version
from include.demo.run import MODEL_FILE
from include.demo.run_view import RunFailedError
from include.demo.summary import Outcome, ask, save_report, show_summary
from include.evaluation.responses import read_answer
from tests.support.airflow_system import DAG_ID, System
from tests.support.local_aws_process import OWN_HEADERS

DEMO = Path(__file__).resolve().parents[2] / "include" / "demo"
pytestmark = pytest.mark.timeout(900)


def found_in_triggers(system: System) -> list[str]:
    """The parts of the access key that the triggers in Airflow's database hold; there is a trigger."""
    home = Path(system.environment.folder) / "airflow"
    with closing(sqlite3.connect(f"file:{home / 'airflow.db'}?mode=ro", uri=True)) as database:
        rows = database.execute('SELECT classpath, kwargs FROM "trigger"').fetchall()
    assert any("bedrock_import" in classpath for classpath, _ in rows)
    return [part for part in system.keys if part in str(rows)]


def slots(system: System, state: str) -> int:
    """How many slots of all pools tasks hold that are in this state."""
    return sum(pool[f"{state}_slots"] for pool in system.airflow().get("/pools")["pools"])


def demo_summary(system: System, results: dict[str, object], before: Inventory) -> str:
    """What ``make demo`` prints of a run, with the answer of the imported model and the report it saved."""
    config = read_model_file(MODEL_FILE)
    outcome = Outcome(
        results=results,
        base_scores={},
        before=before,
        after=system.inventory(),
        answer=ask(system.environment, config, results),
        champion=champion_version(system.environment, config.model_name),
        report=save_report(system.environment, results),
    )
    console = Console(record=True, width=200)
    show_summary(outcome, console)
    return console.export_text()


@pytest.fixture(scope="module")
def finished(system: System) -> dict[str, object]:
    return system.run(adapter="include/demo/adapters/finished")


@pytest.fixture(scope="module")
def early(system: System, finished: dict[str, object]) -> dict[str, object]:
    return system.run(adapter="include/demo/adapters/early", dtype="float16")


def test_a_run_imports_measures_promotes_and_registers_the_model(system: System, finished: dict[str, object]) -> None:
    assert finished["evaluate_model"]["scores"]["f1"] >= 0.9
    assert finished["decide_promotion"]["status"] == "Approved"
    assert finished["register_version"]["version"] == 1
    assert system.approved_versions() == [1]


def test_imports_queue_in_a_pool_of_one_slot_that_counts_deferred_tasks(system: System) -> None:
    pool = system.airflow().get(f"/pools/{IMPORT_POOL}")
    assert (pool["slots"], pool["include_deferred"]) == (1, True)


def test_the_promotion_is_told_with_where_and_what_next(system: System, finished: dict[str, object]) -> None:
    [notice] = [found for found in system.notices() if "promoted" in found["Subject"]]
    assert notice["Subject"] == "capitals: version 1 is promoted"
    assert finished["wait_for_import"]["imported_model_arn"] in notice["Message"]
    assert f"{system.environment.ui_url}/dags/{DAG_ID}/runs/" in notice["Message"]
    assert "Next step: " in notice["Message"]


def test_what_the_run_measured_is_in_cloudwatch(system: System, finished: dict[str, object]) -> None:
    listed = system.client("cloudwatch").list_metrics(Namespace="BedrockModelImport")["Metrics"]
    of_the_model = [{"Name": "ModelName", "Value": "capitals"}, {"Name": "Region", "Value": "us-east-1"}]
    names = {metric["MetricName"] for metric in listed if metric["Dimensions"] == of_the_model}
    assert {"ImportSeconds", "ColdStartSeconds", "F1", "StorageDollarsPerMonth", "RunFailed", "RunSucceeded"} <= names
    put = finished["put_metrics"]["metrics"]
    assert put["F1"] == finished["evaluate_model"]["scores"]["f1"]
    assert put["ImportSeconds"] == finished["wait_for_import"]["seconds"]
    assert (put["RunSucceeded"], put["RunFailed"], put["ModelSlotsFree"]) == (1.0, 0.0, 2.0)


def test_the_run_was_one_of_a_caller_limited_to_the_stacks_policies(
    system: System, finished: dict[str, object]
) -> None:
    caller = system.client("iam").get_user(UserName="airflow")["User"]["Arn"]
    url = f"{system.environment.aws_endpoint}/_local_aws/access"
    decisions = requests.get(url, params={"caller": caller}, headers=OWN_HEADERS, timeout=30).json()["decisions"]
    assert "bedrock:CreateModelImportJob" in {each["action"] for each in decisions}
    assert [each for each in decisions if each["decision"] != "allowed"] == []


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
        assert tags["sagemaker.amazonaws.com/model-source"] == finished["preflight"]["s3_uri"]


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
    assert "Nothing was created" in demo_summary(system, again, before)
    assert set(again) == {"preflight", "decide_import", "put_metrics", "clear_workspace"}
    unchanged = again["decide_import"]["unchanged"]
    assert unchanged["version"] == finished["register_version"]["version"]
    assert unchanged["imported_model_arn"] == finished["wait_for_import"]["imported_model_arn"]
    assert unchanged["scores"] == finished["evaluate_model"]["scores"]
    assert system.notices() == []


def test_content_that_is_imported_already_is_adopted_when_something_else_of_the_run_has_changed(
    system: System, finished: dict[str, object]
) -> None:
    before = system.inventory()
    again = system.run(adapter="include/demo/adapters/finished", comment="for the minutes")
    assert system.inventory() == before
    assert "merge_lora" not in again
    assert again["create_import_job"]["adopted"]
    assert again["upload_checkpoint"]["bytes_sent"] == 0
    assert again["register_version"] == finished["register_version"] | {"promoted": False}
    assert "announce_promotion" not in again
    assert system.notices() == []


def test_a_weaker_adapter_becomes_a_version_but_not_the_champion(
    system: System, finished: dict[str, object], early: dict[str, object]
) -> None:
    assert early["evaluate_model"]["scores"]["f1"] < finished["evaluate_model"]["scores"]["f1"]
    assert early["register_version"]["version"] == 2
    assert early["register_version"]["status"] == "Rejected"
    assert system.approved_versions() == [1]
    [notice] = system.notices()
    assert notice["Subject"] == "2 of 3 imported models are used"
    assert "retire_imported_models" in notice["Message"]


def test_the_weights_have_the_dtype_of_the_run_rounded_as_torch_rounds_what_peft_merges(
    system: System, early: dict[str, object]
) -> None:
    base = AutoModelForCausalLM.from_pretrained(DEMO / "base", torch_dtype="auto")
    merged = PeftModel.from_pretrained(base, DEMO / "adapters" / "early").merge_and_unload().state_dict()
    source = S3Uri.parse(early["preflight"]["s3_uri"] + "model.safetensors")
    weights = load(system.client("s3").get_object(**source.arguments)["Body"].read())
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert all(torch.equal(merged[name].half(), tensor) for name, tensor in weights.items())


@pytest.mark.slow
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
    [notice] = system.notices()
    assert notice["Subject"] == "import_capitals failed in wait_for_import"
    assert "invisible ink" in notice["Message"]
    assert "Next step: Correct the cause, then clear create_import_job" in notice["Message"]
    assert f"/runs/{system.latest_run()}/tasks/wait_for_import" in unquote(notice["Message"])


@pytest.mark.slow
def test_a_failure_that_comes_again_when_the_task_is_cleared_is_told_once(system: System) -> None:
    assert system.clear(system.latest_run(), "wait_for_import") == "failed"
    assert system.notices() == []


@pytest.mark.slow
def test_the_next_run_imports_under_the_next_name_and_completes_through_the_triggerer(system: System) -> None:
    secrets_in_triggers: list[str] = []
    waiting: dict[str, int] = {}

    def look() -> None:
        secrets_in_triggers.extend(found_in_triggers(system))
        waiting.update({state: slots(system, state) for state in ("running", "queued", "deferred")})

    base = system.run_with_deferred_import(while_deferred=look, adapter=None)
    assert secrets_in_triggers == []
    assert waiting == {"running": 0, "queued": 0, "deferred": 1}  # no worker is held while the import goes on
    assert base["create_import_job"]["job_name"].endswith("-2")
    assert base["upload_checkpoint"]["bytes_sent"] == 0  # the failed run had sent it all
    assert base["evaluate_model"]["scores"]["f1"] <= 0.1
    assert base["register_version"]["status"] == "Rejected"
    assert system.approved_versions() == [1]


@pytest.mark.parametrize(
    "wrong", [{"evaluation_max_tokens": 0}, {"promotion": "always"}, {"base": ""}, {"dtype": "float8"}]
)
def test_a_run_with_a_wrong_parameter_is_not_even_started(system: System, wrong: dict[str, object]) -> None:
    airflow = system.airflow()
    with pytest.raises(requests.HTTPError) as refused:
        airflow.trigger(DAG_ID, wrong)
    assert refused.value.response.status_code == requests.codes.bad_request


def test_a_run_that_cannot_succeed_is_told_everything_that_is_wrong_before_any_work(system: System) -> None:
    before = system.inventory()
    with pytest.raises(RunFailedError) as failed:
        system.run(adapter="include/demo/nowhere", evaluation_dataset="missing.jsonl")
    assert all(part in str(failed.value) for part in ("preflight", "nowhere", "missing.jsonl"))
    with pytest.raises(RunFailedError, match=r"(?s)preflight.*bucket.*Variables"):
        system.run(bucket="of-another-team")
    assert system.inventory() == before


def test_no_log_no_xcom_and_no_row_of_the_database_holds_the_credentials(system: System) -> None:
    folder = Path(system.environment.folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"airflow.db", "attempt=1.log"} <= {path.name for path in files}
    holding = [path for path in files for part in system.keys if part.encode() in path.read_bytes()]
    assert holding == []
