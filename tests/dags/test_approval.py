"""Who may answer when a promotion waits for a person."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from include.config.model import ApprovalConfig
from model_import_dag import approval
from model_import_dag.approval import SecondPersonNeededError, ask_for_approval, assigned_users


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


def answer(monkeypatch: pytest.MonkeyPatch, user: str | None, **settings: Any) -> dict[str, Any]:
    """What the task returns when ``user``, or the deadline, approves a run that ann triggered."""
    config = SimpleNamespace(model_name="capitals", approval=ApprovalConfig.model_validate(settings))
    monkeypatch.setattr(approval, "plan_of", lambda _: SimpleNamespace(config=config))
    event = {
        "chosen_options": ["Approve"],
        "params_input": {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": user and {"id": user, "name": user},
    }
    context: Any = {"dag_run": SimpleNamespace(triggering_user_name="ann")}
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
