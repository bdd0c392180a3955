from __future__ import annotations

import pickle

import pytest
from botocore.exceptions import ClientError

from include.aws.transient import transient_cause
from include.preflight.findings import Finding, PreflightFailedError, PreflightUnansweredError, raise_on_errors

THROTTLED = ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "GetRole")
UNANSWERED = Finding("error", "import role", "r", "GetRole answers Throttling", "Run again.", THROTTLED)
ERROR = Finding("error", "bucket", "b", "there is no such bucket", "Create it.")
WARNING = Finding("warning", "role", "r", "not checked", "Grant iam:GetRole.")
INFO = Finding("info", "connection", "aws_default", "http://127.0.0.1")


def test_warnings_and_notes_pass() -> None:
    raise_on_errors([WARNING, INFO])


def test_the_error_holds_every_error_with_its_remedy_and_survives_pickling() -> None:
    with pytest.raises(PreflightFailedError) as caught:
        raise_on_errors([ERROR, WARNING, ERROR._replace(check="region")])
    error = pickle.loads(pickle.dumps(caught.value))
    assert [finding.check for finding in error.findings] == ["bucket", "region"]
    assert "ERROR bucket (b): there is no such bucket\n  What to do: Create it." in str(error)


def test_checks_that_a_passing_fault_left_open_are_done_again_when_nothing_else_is_wrong() -> None:
    with pytest.raises(PreflightUnansweredError, match="could not do 2 check") as caught:
        raise_on_errors([UNANSWERED, WARNING, UNANSWERED])
    assert transient_cause(caught.value) is THROTTLED


def test_what_is_wrong_is_told_at_once_together_with_what_could_not_be_checked() -> None:
    with pytest.raises(PreflightFailedError, match=r"(?s)2 problem.*Throttling.*no such bucket") as caught:
        raise_on_errors([UNANSWERED, ERROR])
    assert type(caught.value) is PreflightFailedError
    assert transient_cause(caught.value) is None


def test_a_note_has_no_remedy() -> None:
    assert INFO.text() == "INFO connection (aws_default): http://127.0.0.1"
