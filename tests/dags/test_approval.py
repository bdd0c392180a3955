"""Who may answer when a promotion waits for a person."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.config.model import ApprovalConfig
from include.steps.results import EvaluationResult
from model_import_dag import approval
from model_import_dag.approval import (
    AnswersMarkedWronglyError,
    SecondPersonNeededError,
    ask_for_approval,
    assigned_users,
)
from tests.support.pages import answers, measured
from tests.support.promotion_runs import finished


@pytest.mark.parametrize(
    ("settings", "triggered_by", "expected"),
    [
        ({}, "ann", None),
        ({"second_person": True}, "ann", None),
        ({"approvers": ("ann", "bob")}, "ann", ["ann", "bob"]),
        ({"approvers": ("ann", "bob"), "second_person": True}, "ann", ["bob"]),
        ({"approvers": ("ann",), "second_person": True}, "ann", ["ann"]),
        ({"approvers": ("ann", "bob"), "second_person": True}, None, ["ann", "bob"]),
    ],
)
def test_airflow_is_given_the_users_who_may_answer(
    settings: dict[str, Any], triggered_by: str | None, expected: list[str] | None
) -> None:
    users = assigned_users(ApprovalConfig.model_validate(settings), triggered_by)
    assert (users and [user["id"] for user in users]) == expected


def answer(
    monkeypatch: pytest.MonkeyPatch, user: str | None, given: dict[str, Any] | None = None, **settings: Any
) -> dict[str, Any]:
    """What the task returns when ``user``, or the deadline, approves a run that ann triggered, of 120 answers."""
    config = SimpleNamespace(model_name="capitals", approval=ApprovalConfig.model_validate(settings))
    monkeypatch.setattr(approval, "plan_of", lambda _: SimpleNamespace(config=config))
    event = {
        "chosen_options": ["Approve"],
        "params_input": given or {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": user and {"id": user, "name": user},
    }
    evaluation = EvaluationResult.of(measured("", answers(finished, 0.2)).report, "s3://bucket/one.json")
    ti = SimpleNamespace(xcom_pull=lambda task_ids: {"evaluate_model": evaluation.model_dump(mode="json")}[task_ids])
    context: Any = {"dag_run": SimpleNamespace(triggering_user_name="ann"), "ti": ti}
    returned: dict[str, Any] = json.loads(json.dumps(ask_for_approval().execute_complete(context, event)))
    return returned


def test_where_a_second_person_is_asked_for_the_one_who_triggered_cannot_approve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SecondPersonNeededError, match="an answer from ann, who did"):
        answer(monkeypatch, "ann", second_person=True)
    assert answer(monkeypatch, "bob", second_person=True)["by"] == "bob"
    assert answer(monkeypatch, None, second_person=True)["by"] == ""
    assert answer(monkeypatch, "ann")["by"] == "ann"


def test_marks_of_answers_come_with_the_answer_and_so_does_one_field_without_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = answer(monkeypatch, "bob", {"comment": "fine", "marked_answers": "17 wrong: it is Canberra\n#120 right"})
    assert found["comment"] == "fine"
    assert found["marks"] == [
        {"number": 17, "mark": "wrong", "note": "it is Canberra"},
        {"number": 120, "mark": "right", "note": ""},
    ]
    assert answer(monkeypatch, "bob", {"comment": "fine"})["marks"] == []
    assert answer(monkeypatch, "bob", {"comment": None, "marked_answers": None})["comment"] == ""


def test_marks_that_cannot_be_read_fail_the_task_without_a_retry_and_name_each_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(AnswersMarkedWronglyError) as refused:
        answer(monkeypatch, "bob", {"marked_answers": "17 wrong\n121 wrong\nall good"})
    text = str(refused.value)
    assert "line 2: there is no answer 121" in text
    assert "line 3: 'all good'" in text
    assert "clear approve_promotion" in text
    assert issubclass(AnswersMarkedWronglyError, AirflowFailException)


def test_the_form_has_a_text_area_for_the_marks() -> None:
    fields = ask_for_approval().serialized_params
    assert list(fields) == ["comment", "marked_answers"]
    assert fields["marked_answers"]["schema"]["format"] == "multiline"
