from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from airflow.providers.amazon.aws.hooks.bedrock import BedrockHook
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

from bedrock_import.hooks import WAITER_PATH, BedrockModelImportHook
from bedrock_import.outcomes import EVALUATION_WAITER, JOB_WAITER, event_for_job
from tests.support.fake_bedrock import service_model

WAITERS = json.loads(WAITER_PATH.read_text("utf-8"))["waiters"]
EVALUATION_JOB = "arn:aws:bedrock:us-east-1:123456789012:evaluation-job/abcdefghijkl"
IMPORT_STATES = service_model("bedrock").shape_for("ModelImportJobStatus").enum


@pytest.fixture
def client() -> Any:
    session = botocore.session.get_session()
    return session.create_client("bedrock", "us-east-1", aws_access_key_id="id", aws_secret_access_key="key")


def test_every_waiter_of_the_package_has_a_test_class() -> None:
    classes = {f"Test{''.join(word.title() for word in name.split('_'))}Waiter" for name in WAITERS}
    assert classes <= set(globals())


def test_the_hook_offers_its_own_waiter_and_keeps_the_providers(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BedrockModelImportHook, "conn", client)
    assert BedrockModelImportHook().get_waiter(JOB_WAITER).name == JOB_WAITER
    provided = BedrockHook(aws_conn_id=None)._list_custom_waiters()
    assert provided
    for name in provided:
        assert BedrockModelImportHook().get_waiter(name).name == name


class TestModelImportJobCompleteWaiter:
    @pytest.fixture
    def waiter(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(BedrockModelImportHook, "conn", client)
        return BedrockModelImportHook().get_waiter(JOB_WAITER)

    def wait(self, client: Any, waiter: Any, *states: str) -> None:
        with Stubber(client) as stub:
            for state in states:
                stub.add_response("get_model_import_job", {"status": state}, {"jobIdentifier": "capitals-1"})
            waiter.wait(jobIdentifier="capitals-1", WaiterConfig={"Delay": 0, "MaxAttempts": len(states)})
            stub.assert_no_pending_responses()

    def test_completed_is_a_success(self, client: Any, waiter: Any) -> None:
        self.wait(client, waiter, "Completed")

    def test_failed_is_a_failure(self, client: Any, waiter: Any) -> None:
        with pytest.raises(WaiterError, match="terminal failure"):
            self.wait(client, waiter, "Failed")

    def test_in_progress_is_waited_out(self, client: Any, waiter: Any) -> None:
        self.wait(client, waiter, "InProgress", "InProgress", "Completed")

    def test_it_gives_up_after_its_attempts(self, client: Any, waiter: Any) -> None:
        with pytest.raises(WaiterError, match="Max attempts exceeded"):
            self.wait(client, waiter, "InProgress", "InProgress")

    def test_it_knows_every_state_that_the_service_documents(self) -> None:
        assert {acceptor["expected"] for acceptor in WAITERS[JOB_WAITER]["acceptors"]} == set(IMPORT_STATES)


class TestEvaluationJobCompleteWaiter:
    @pytest.fixture
    def waiter(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(BedrockModelImportHook, "conn", client)
        return BedrockModelImportHook().get_waiter(EVALUATION_WAITER)

    def wait(self, client: Any, waiter: Any, *states: str) -> None:
        with Stubber(client) as stub:
            for state in states:
                stub.add_response("get_evaluation_job", evaluation_job(state), {"jobIdentifier": EVALUATION_JOB})
            waiter.wait(jobIdentifier=EVALUATION_JOB, WaiterConfig={"Delay": 0, "MaxAttempts": len(states)})
            stub.assert_no_pending_responses()

    def test_a_job_is_waited_out(self, client: Any, waiter: Any) -> None:
        self.wait(client, waiter, "InProgress", "Completed")

    @pytest.mark.parametrize("states", [("Failed",), ("Stopping", "Stopped"), ("Deleting",)])
    def test_any_other_end_is_a_failure(self, client: Any, waiter: Any, states: tuple[str, ...]) -> None:
        with pytest.raises(WaiterError, match="terminal failure"):
            self.wait(client, waiter, *states)

    def test_it_knows_every_state_that_the_service_documents(self) -> None:
        documented = service_model("bedrock").shape_for("EvaluationJobStatus").enum
        assert {acceptor["expected"] for acceptor in WAITERS[EVALUATION_WAITER]["acceptors"]} == set(documented)


def evaluation_job(state: str) -> dict[str, Any]:
    """What GetEvaluationJob answers at least."""
    data_set = {"taskType": "Custom", "dataset": {"name": "d"}, "metricNames": ["m"]}
    return {
        "jobName": "capitals-1",
        "status": state,
        "jobArn": EVALUATION_JOB,
        "roleArn": "arn:aws:iam::123456789012:role/evaluation",
        "jobType": "Automated",
        "evaluationConfig": {"human": {"datasetMetricConfigs": [data_set]}},
        "inferenceConfig": {"models": [{"bedrockModel": {"modelIdentifier": "m.n"}}]},
        "outputDataConfig": {"s3Uri": "s3://bucket/output/"},
        "creationTime": datetime(2026, 11, 28, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    ("state", "status"),
    [("InProgress", None), ("Completed", "success"), ("Failed", "failed"), ("Paused", "unknown_state")],
)
def test_sensors_and_triggers_read_states_as_the_waiter_does(state: str, status: str | None) -> None:
    event = event_for_job({"status": state})
    assert (event and event["status"]) == status
