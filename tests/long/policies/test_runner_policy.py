"""The runner's policies are sufficient and not excessive: a caller limited to them does all, and nothing is spare.

The stand-in holds the caller to the policies and tells what it decided; each decision is decided again here without one
action, which must then be refused.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome
from cfnlint.decode.cfn_yaml import loads

from artifact_events.producer import QueueProducer
from bedrock_import.adoption import StartedImport, find_import
from bedrock_import.hooks import BedrockModelImportHook
from include.aws.clients import AwsClients
from include.config.model import parse_model_config
from include.delivery.destination import Destination
from include.delivery.open_uploads import abort, list_kept_parts, list_open_uploads
from include.local_aws.bedrock.access_policy import AccessRequest, is_allowed
from include.publishing.calls import count_calls
from include.publishing.pointer import delete_pointer
from include.steps.publish import PublishedModel, publish_champion
from tests.support.local_aws_process import OWN_HEADERS
from tests.support.runner import CONNECTION, SOURCES, TRAINING_ROLE, Runner, actions_of, without
from tests.support.stacks import IMPORT, Statement, document

pytestmark = pytest.mark.timeout(900)

Decision = dict[str, Any]


def template_permissions(*names: str) -> list[tuple[str, str]]:
    """Statement and action of each permission that policies of the template give to a user, or to the import role."""
    resources = loads(IMPORT.read_text())["Resources"]
    found = [each for name in names for each in resources[name]["Properties"]["PolicyDocument"]["Statement"]]
    statements = [each["Fn::If"][1] if "Fn::If" in each else each for each in found]
    return [(each["Sid"], action) for each in statements for action in actions_of(each)]


#: What a role needs instead of a user is tested by itself.
PERMISSIONS = [
    each
    for each in template_permissions("RunnerPolicy", "TrainingPolicy", "PreflightPolicy")
    if each[0] != "LookAtItsOwnRole"
]
#: Without the right to ask these, preflight goes by what it knows: IAM's own word, the service's default quota.
ASKED_ON_THE_SIDE = {"s3:GetBucketPolicy", "kms:GetKeyPolicy", "servicequotas:GetServiceQuota"}
#: What a model's file or a fine-tune asks for; an import by the form needs none of it.
OF_OTHER_TASKS = {
    "HearOfFineTunes",
    "CountCallsOfCanaries",
    "PointApplicationsToTheChampion",
    "SendEventsOfNewChampions",
    "LookAtTheTrainingRole",
    *(sid for sid, _ in template_permissions("TrainingPolicy")),
}
NAMED_BY_PREFLIGHT = [
    (sid, action) for sid, action in PERMISSIONS if sid not in OF_OTHER_TASKS and action not in ASKED_ON_THE_SIDE
]
ROLE_PERMISSIONS = template_permissions("ReadCheckpoints", "DecryptCheckpoints")
#: The stand-in pulls no image, writes no logs and metrics, and puts small adapters in one piece.
NOT_ON_THE_STAND_IN = {"PullTheImage", "LogInToTheImagesRegistry", "WriteLogs", "PutLosses"}
TRAINING_ROLE_PERMISSIONS = [
    (sid, action)
    for sid, action in template_permissions("TrainAdapters", "UseTheKeyInTraining")
    if sid not in NOT_ON_THE_STAND_IN and action != "s3:AbortMultipartUpload"
]


def all_statements(runner: Runner) -> list[Statement]:
    return [statement for statements in runner.policies.values() for statement in statements]


def allowed(statements: list[Statement], decision: Decision) -> bool:
    request = AccessRequest(decision["action"], decision["resource"], context=decision["context"])
    return is_allowed([document(statements)], request)


@pytest.fixture(scope="module")
def decisions(runner: Runner) -> list[Decision]:
    """Do everything that is ever done with the runner's credentials; what the stand-in decided about it."""
    first = runner.run()
    assert first["register_version"]["status"] == "Approved"
    assert runner.run()["create_import_job"]["adopted"]
    runner.run(base="sagemaker:model/base", adapter="sagemaker:training-job/early")
    point_applications(runner)
    take_up_a_running_import(runner)
    take_up_a_broken_upload(runner)
    assert runner.fine_tune()["hand_over"]["artifact"].startswith("sagemaker:training-job/team-lakes-ft-")
    stop_a_training(runner, "team-lakes-1")
    asyncio.run(hear_of_fine_tunes(runner))
    return runner.aws.decisions(runner.arn)


def point_applications(runner: Runner) -> None:
    """Publish the champion, take the parameter back as after one that does not answer, and look at a canary's calls."""
    name = str(runner.conf()["model_name"])
    values = {"model_name": name, "base": "base", "evaluation": {"dataset": str(runner.dataset)}, "publish": {}}
    config, clients = parse_model_config(values, "a test"), AwsClients(runner.client)
    assert config.publish
    model = PublishedModel(name, config.publish, config.evaluation, None)
    assert publish_champion(model, clients, "a run").changed
    delete_pointer(clients.ssm, name)
    count_calls(clients.cloudwatch, "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl", *an_hour())


def an_hour() -> tuple[datetime, datetime]:
    return datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)


def take_up_a_running_import(runner: Runner) -> None:
    """What a run does whose predecessor was killed while its import went on."""
    requests.post(
        f"{runner.aws.endpoint_url}/_local_aws/bedrock/hold-imports", json={}, headers=OWN_HEADERS, timeout=10
    ).raise_for_status()
    try:
        runner.start_as_admin("running", fingerprint="of the content")
        hook = BedrockModelImportHook(aws_conn_id=CONNECTION, region_name="us-east-1")
        found = find_import(hook, "running", "running", "of the content")
        assert isinstance(found, StartedImport)
    finally:
        url = f"{runner.aws.endpoint_url}/_local_aws/bedrock/release-imports"
        requests.post(url, json={}, headers=OWN_HEADERS, timeout=10).raise_for_status()


def take_up_a_broken_upload(runner: Runner) -> None:
    s3, bucket = runner.client("s3"), runner.outputs["BucketName"]
    destination = Destination(s3, bucket, "models/broken/checkpoint")
    key = f"{destination.prefix}/model.safetensors"
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"part")
    [left] = list_open_uploads(destination)
    assert list_kept_parts(destination, left)
    abort(destination, left.name, left.upload_id)


def stop_a_training(runner: Runner, name: str) -> None:
    """Do what a fine-tune does whose task is killed, if its model's file says so."""
    sagemaker = runner.client("sagemaker")
    sagemaker.create_training_job(**runner.job(name, "import time; time.sleep(600)"))
    sagemaker.stop_training_job(TrainingJobName=name)
    assert runner.trained(name)["TrainingJobStatus"] == "Stopped"


async def hear_of_fine_tunes(runner: Runner) -> None:
    """Read the queue: a message that is none goes aside, what landed is deleted."""
    url = runner.outputs["EventQueueUrl"]
    runner.aws.client("sqs").send_message(QueueUrl=url, MessageBody="no notification")
    reader = QueueProducer(url, CONNECTION, "us-east-1", 0.1)
    async for _, landing in reader.open_stream():
        landing.claimed = True
        await reader.advance([AdvanceItem(landing, AdvanceOutcome(acked=1, failed=0))])
        break
    await reader.aclose()


def test_a_caller_limited_to_the_policies_is_refused_nothing(decisions: list[Decision]) -> None:
    assert [each for each in decisions if each["decision"] != "allowed"] == []


@pytest.mark.parametrize(("sid", "action"), PERMISSIONS)
def test_without_it_something_is_refused(sid: str, action: str, runner: Runner, decisions: list[Decision]) -> None:
    kept = [reduced for each in all_statements(runner) if (reduced := without(each, sid, action))]
    refused = {each["action"] for each in decisions if not allowed(kept, each)}
    assert refused == {action}


@pytest.mark.parametrize(("sid", "action"), NAMED_BY_PREFLIGHT)
def test_preflight_names_what_is_missing_and_says_what_to_do(
    sid: str, action: str, runner: Runner, decisions: list[Decision], caplog: pytest.LogCaptureFixture
) -> None:
    trained = {"base": "sagemaker:model/base", "adapter": "sagemaker:training-job/early"}
    runner.restrict(sid, action)
    with caplog.at_level(logging.WARNING):
        found = runner.preflight(**(trained if sid == "ReadTrainingResults" else {}))
    messages = [*found, *caplog.messages]
    naming = [message for message in messages if action in message]
    assert naming, messages
    assert any(remedy in message for message in naming for remedy in ("Add to its policies", "Grant "))


def test_a_queue_that_may_not_be_read_is_told_with_the_action(
    runner: Runner, decisions: list[Decision], caplog: pytest.LogCaptureFixture
) -> None:
    runner.restrict("HearOfFineTunes", "sqs:ReceiveMessage")

    async def read() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(hear_of_fine_tunes(runner), 5)

    asyncio.run(read())
    assert "not authorized to perform: sqs:ReceiveMessage" in caplog.text


@pytest.mark.parametrize(("sid", "action"), ROLE_PERMISSIONS)
def test_preflight_names_what_the_import_role_lacks(
    sid: str, action: str, runner: Runner, decisions: list[Decision]
) -> None:
    runner.restrict()
    runner.restrict_role(sid, action)
    found = runner.preflight()
    runner.restrict_role()
    [message] = [message for message in found if "role permissions" in message]
    assert action in message
    assert "Add to its policies" in message


@pytest.mark.parametrize(("sid", "action"), ROLE_PERMISSIONS)
def test_an_import_fails_without_what_its_role_needs(
    sid: str, action: str, runner: Runner, decisions: list[Decision]
) -> None:
    runner.restrict_role(sid, action)
    failure = runner.import_as_admin()
    runner.restrict_role()
    assert action in failure


def test_an_import_with_the_roles_policies_completes(runner: Runner, decisions: list[Decision]) -> None:
    runner.restrict_role()
    assert runner.import_as_admin() == ""


TRAINS = """
import os, pathlib
root = pathlib.Path(os.environ["ML_ROOT"])
assert (root / "input/data/base").iterdir()
(root / "model/adapter.txt").write_text("trained")
"""


def train_with_the_role(runner: Runner, name: str) -> str:
    """Train on a base in another bucket; the job's FailureReason, or nothing."""
    place = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{SOURCES}/base"}
    job = runner.job(name, TRAINS)
    job["InputDataConfig"].append({"ChannelName": "base", "DataSource": {"S3DataSource": place}})
    runner.aws.client("sagemaker").create_training_job(**job)
    return str(runner.trained(name).get("FailureReason", ""))


@pytest.mark.parametrize(("sid", "action"), TRAINING_ROLE_PERMISSIONS)
def test_a_training_job_fails_without_what_its_role_needs(sid: str, action: str, runner: Runner) -> None:
    runner.restrict_role(sid, action, TRAINING_ROLE)
    reason = train_with_the_role(runner, f"team-lakes-{sid}-{action.replace(':', '-')}")
    runner.restrict_role(role=TRAINING_ROLE)
    assert action in reason


def test_a_training_job_with_the_roles_policies_completes(runner: Runner) -> None:
    assert train_with_the_role(runner, "team-lakes-2") == ""
