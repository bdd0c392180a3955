from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bedrock_import.exceptions import ModelImportJobFailedError, ModelImportJobTimeoutError
from include.config.model import parse_model_config
from include.steps.notify import Place, promotion_notice
from model_import_dag import notifications
from model_import_dag.model_files import MODEL_FILE

CREATE = "Correct the cause, then clear create_import_job"


CONFIG = {
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
        def __init__(self, message: str, **_: Any) -> None:
            sent.append(message)

        def notify(self, context: Any) -> None:
            pass

    monkeypatch.setattr(notifications, "SnsNotifier", Notifier)
    monkeypatch.setattr(notifications, "redact", lambda message: message)
    return sent


def fail(task_id: str, error: Exception) -> None:
    class TaskInstance:
        dag_id, run_id, log_url = "import_capitals", "manual__1", "http://127.0.0.1:8080"

    ti: Any = TaskInstance()
    ti.task_id = task_id
    dag = SimpleNamespace(user_defined_macros={MODEL_FILE: parse_model_config(CONFIG, "a test")})
    context: Any = {"ti": ti, "dag": dag, "params": {}, "exception": error}
    notifications.notify_failure(context)


def test_after_a_failed_import_the_notice_names_the_task_that_starts_another_job(messages: list[str]) -> None:
    fail("wait_for_import", ModelImportJobFailedError("The model import job failed", next_step=CREATE))
    [message] = messages
    assert message.endswith(f"Next step: {CREATE}\n")
    assert "clear wait_for_import" not in message


def test_after_a_wait_that_timed_out_the_notice_names_the_task_that_waits(messages: list[str]) -> None:
    fail("wait_for_import", ModelImportJobTimeoutError("The model import job had not ended"))
    assert "Then clear wait_for_import" in messages[0]


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


def test_a_notice_says_that_wrong_values_of_the_run_need_a_new_run(messages: list[str]) -> None:
    fail("preflight", ValueError("the base does not exist"))
    assert "Then clear preflight" in messages[0]
    assert "If the model's files or the run's own values were wrong, trigger a new run instead." in messages[0]


def test_the_notice_of_a_promotion_names_the_dag_that_goes_back() -> None:
    place = Place("import_capitals", "run", "announce_promotion", "https://airflow.example")
    message = promotion_notice(place, "capitals", 2, "arn", "f1 0.900 reaches 0.800").message
    assert "To go back, run the DAG roll_back_model with the model_name capitals" in message
