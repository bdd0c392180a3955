from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bedrock_import.exceptions import ModelImportJobFailedError, ModelImportJobTimeoutError
from include.config.model import parse_model_config
from include.steps.notify import Place, promotion_notice
from include.steps.results import FAILURE, FailureResult
from include.steps.score_card import ScoreCard, ScoreRow
from model_import_dag import notifications
from model_import_dag.model_files import MODEL_FILE
from model_import_dag.rolling_back import build_roll_back_dag

CREATE = "Correct the cause, then clear create_import_job"


CONFIG: dict[str, Any] = {
    "model_name": "capitals",
    "base": "base",
    "evaluation": {"dataset": "questions.jsonl"},
    "account": {"topic_arn": "arn:aws:sns:us-east-1:123456789012:notices", "aws_conn_id": "aws_default"},
}


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages that go to the topic."""
    sent: list[str] = []

    class Notifier:
        def __init__(self, subject: str, message: str, **_: Any) -> None:
            sent.append(f"{subject}\n{message}")

        def notify(self, context: Any) -> None:
            pass

    monkeypatch.setattr(notifications, "SnsNotifier", Notifier)
    monkeypatch.setattr(notifications, "redact", lambda message: message)
    return sent


def subjects(messages: list[str]) -> list[str]:
    return [message.partition("\n")[0] for message in messages]


class TaskInstance:
    run_id, log_url = "manual__1", "http://127.0.0.1:8080"

    def __init__(self, dag_id: str, task_id: str, **results: Any) -> None:
        self.dag_id, self.task_id, self.results = dag_id, task_id, results

    def xcom_push(self, key: str, value: Any) -> None:
        self.results[key] = value

    def xcom_pull(self, task_ids: str) -> Any:
        return self.results[task_ids]


def fail(task_id: str, error: Exception, dag_id: str = "import_capitals", **params: Any) -> FailureResult:
    """Let a task fail for good; return what it keeps of that."""
    ti = TaskInstance(dag_id, task_id)
    file = None if params else parse_model_config(CONFIG, "a test")
    context: Any = {
        "ti": ti, "dag": SimpleNamespace(user_defined_macros={MODEL_FILE: file}), "params": params, "exception": error
    }  # fmt: skip
    notifications.notify_failure(context)
    return FailureResult.model_validate(ti.results[FAILURE])


def test_after_a_failed_import_the_notice_names_the_task_that_starts_another_job(messages: list[str]) -> None:
    kept = fail("wait_for_import", ModelImportJobFailedError("The model import job failed", next_step=CREATE))
    [message] = messages
    assert message.endswith(f"Next step: {CREATE}\n")
    assert "clear wait_for_import" not in message
    assert (kept.model_name, kept.next_step) == ("capitals", CREATE)


def test_after_a_wait_that_timed_out_the_notice_names_the_task_that_waits(messages: list[str]) -> None:
    fail("wait_for_import", ModelImportJobTimeoutError("The model import job had not ended"))
    assert "Then clear wait_for_import" in messages[0]
    assert "trigger a new run instead" in messages[0]


def test_a_notice_is_sent_although_the_topic_is_throttled_at_first_and_then_the_credentials_expire(
    messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [ClientError({"Error": {"Code": code}}, "Publish") for code in ("Throttling", "ExpiredToken")]
    sent: list[Any] = []

    def notify(_: Any, context: Any) -> None:
        if failures:
            raise failures.pop()
        sent.append(context)

    monkeypatch.setattr(notifications.SnsNotifier, "notify", notify)
    fail("preflight", ValueError("the base does not exist"))
    assert len(sent) == 1
    assert len(messages) == 3  # each try has a client of its own


def test_a_wrong_value_of_a_run_is_not_mended_by_clearing_preflight(messages: list[str]) -> None:
    fail("preflight", ValueError("the base does not exist"))
    assert "stays as it is when the task is cleared: trigger a new run" in messages[0]


def test_the_notice_of_a_run_of_the_form_names_the_model(messages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MODEL_IMPORT_TOPIC_ARN", CONFIG["account"]["topic_arn"])
    kept = fail("preflight", ValueError("no base"), "import_model", model_name="lakes")
    assert subjects(messages) == ["import_model for lakes failed in preflight"]
    assert kept.model_name == "lakes"


def test_a_failure_is_kept_without_credentials_and_without_a_topic_too(messages: list[str]) -> None:
    kept = fail("preflight", ValueError("AKIAABCDEFGHIJKLMNOP is refused"), "import_model", model_name="lakes")
    assert messages == []
    assert kept.reason == "ValueError: *** is refused"


def test_a_notice_is_sent_although_the_failure_cannot_be_kept(
    messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: TaskInstance, key: str, value: Any) -> None:
        self.results[key] = value
        raise RuntimeError("no supervisor here")

    monkeypatch.setattr(TaskInstance, "xcom_push", refuse)
    fail("merge_lora", ValueError("the process was lost"))
    assert "the process was lost" in messages[0]


def test_a_roll_back_sends_a_notice_of_the_new_champion(messages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MODEL_IMPORT_TOPIC_ARN", CONFIG["account"]["topic_arn"])
    champion = {"model_name": "capitals", "version": 1, "imported_model_arn": "arn", "fingerprint": "0" * 64}
    context: Any = {
        "ti": TaskInstance("roll_back_model", "announce_promotion", announce_promotion=champion),
        "dag": build_roll_back_dag(),
        "params": {"model_name": "capitals", "reason": "answers in French"},
        "dag_run": SimpleNamespace(triggering_user_name="ops"),
    }
    [announce] = [task for task in context["dag"].tasks if task.task_id == "announce_promotion"]
    [callback] = announce.on_success_callback
    callback(context)
    assert "Version 1 of capitals is the champion now: rolled back by ops: answers in French" in messages[0]


def test_the_notice_of_a_promotion_names_the_dag_that_goes_back() -> None:
    place = Place("import_capitals", "run", "announce_promotion", "https://airflow.example")
    card = ScoreCard("evaluation", 1, (ScoreRow("f1", 0.9, 0.85, 0.94, 0.8),))
    message = promotion_notice(place, "capitals", 2, "arn", "f1 0.900 reaches 0.800", [card]).message
    assert "f1: 0.900 (95 % interval 0.850 to 0.940), champion version 1: 0.800" in message
    assert "To go back, run the DAG roll_back_model with the model_name capitals" in message
