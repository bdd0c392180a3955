"""What the page shows of Airflow's runs: which failed, why, what to do, and where the time went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from include.steps.results import FailureResult
from tests.support.airflow_history import PastTask, add_run
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.registered_versions import register

Visit = Callable[..., Any]
REASON = "ModelImportJobFailedError: The model import job failed: arn\nBedrock says: AKIA is no key of <yours>"
FAILURE = FailureResult(
    model_name="capitals", reason=REASON, next_step="Correct the cause, then clear create_import_job."
)


@pytest.fixture(scope="module", autouse=True)
def runs(local_aws: LocalAwsProcess, app: object) -> None:
    add_run(
        "import_capitals", "failed+1", "failed",
        {"wait_for_import": PastTask("failed", 10, 400, FAILURE), "put_metrics": PastTask("success", 400, 410)},
    )  # fmt: skip
    lost = {"preflight": PastTask("failed", 0, 5)}
    add_run("import_model", "failed+2", "failed", lost, conf={"model_name": "lakes"})
    add_run("import_model", "old", "failed", lost, conf={"model_name": "rivers"}, age=timedelta(days=8))
    add_run("import_secret", "failed+3", "failed", lost)
    add_run("fine_tune_capitals", "training", "running", {"wait_for_training": PastTask("deferred", 10, 400)})
    took = {"preflight": PastTask("success", 0, 10), "wait_for_import": PastTask("success", 20, 100)}
    add_run("import_model", "timed", "success", took)
    register(local_aws, "timed", fingerprint="12" * 32, dag_id="import_model", dag_run_id="timed")


def test_a_failed_run_is_shown_with_model_reason_next_step_and_a_link_to_the_task(visit: Visit) -> None:
    text = visit("overview").text
    row = text[text.index('aria-labelledby="failures-heading"') :].partition("</tr>")[2].partition("failed%2B1")[2]
    assert "/tasks/wait_for_import" in row
    assert "<summary>ModelImportJobFailedError: The model import job failed: arn</summary>" in row
    assert "Bedrock says: AKIA is no key of &lt;yours&gt;" in row
    assert "Next step:</strong> Correct the cause, then clear create_import_job." in row


def test_a_run_of_the_form_that_kept_no_reason_is_shown_with_its_model(visit: Visit) -> None:
    text = visit("overview").text
    assert '<th role="rowheader" scope="row">lakes</th>' in text
    assert "The task ended before it could say why: open its log." in text


def test_failures_of_a_week_ago_are_not_shown(visit: Visit) -> None:
    assert "rivers" not in visit("overview").text


def test_failures_of_a_dag_that_the_viewer_may_not_read_are_not_shown(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    assert "failed%2B3" in visit("overview").text
    monkeypatch.setattr(get_auth_manager(), "get_authorized_dag_ids", lambda **_: {"import_capitals"})
    text = visit("overview").text
    assert "failed%2B1" in text
    assert "failed%2B2" not in text
    assert "failed%2B3" not in text


def test_a_fine_tune_that_waits_for_its_job_is_shown_with_its_model(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    text = visit("overview").text
    assert ">capitals: wait_for_training</a> waits for SageMaker to train it" in text
    assert '<span class="wait">wait_for_training waits for SageMaker to train it</span>' in text
    monkeypatch.setattr(get_auth_manager(), "get_authorized_dag_ids", lambda **_: {"import_capitals"})
    assert "wait_for_training" not in visit("overview").text


def test_a_models_page_shows_where_the_time_of_its_newest_run_went(visit: Visit) -> None:
    text = visit("models/timed/standing").text
    assert "check 10 s, 10 %" in text
    assert "import 80 s, 80 %" in text
    assert "between tasks 10 s, 10 %" in text


def test_a_run_of_the_form_gets_a_note_that_names_its_model(app: object) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from run_notes_plugin import RunNotes

    add_run("import_model", "noted", "running", {}, conf={"model_name": "lakes"})
    add_run("import_model", "written", "running", {}, conf={"model_name": "lakes"})
    with create_session() as session:
        for run in session.scalars(select(DagRun).where(DagRun.run_id.in_(("noted", "written")))):
            if run.run_id == "written":
                run.note = "by hand"
            RunNotes().on_dag_run_running(run, "")
    with create_session() as session:
        runs = session.scalars(select(DagRun).where(DagRun.run_id.in_(("noted", "written"))))
        assert {run.run_id: run.note for run in runs} == {"noted": "Model: lakes", "written": "by hand"}
