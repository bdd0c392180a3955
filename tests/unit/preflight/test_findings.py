from __future__ import annotations

import pickle

import pytest

from include.preflight.findings import Finding, PreflightFailedError, raise_on_errors

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
    assert "ERROR bucket (b): there is no such bucket. Create it." in str(error)


def test_a_note_has_no_remedy() -> None:
    assert INFO.line() == "INFO connection (aws_default): http://127.0.0.1"
