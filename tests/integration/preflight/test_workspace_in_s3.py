"""Preflight of runs whose workspace is in S3."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.run.workspace import run_workspace
from tests.support.account import Account, statement_in


@pytest.fixture
def in_s3(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account whose workspace is a prefix of its bucket; the user may not write there yet."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    use_workspace(account, f"s3://{account.bucket}/working")
    return account


def use_workspace(account: Account, root: str) -> None:
    account.values["account"]["workspace"] = root
    account.workspace_uri = run_workspace(root, "import_capitals", "run")


def keys(account: Account) -> list[str]:
    listed = account.admin("s3").list_objects_v2(Bucket=account.bucket).get("Contents", ())
    return [item["Key"] for item in listed]


def test_the_right_to_write_there_is_missed_and_granted_by_the_remedy_and_nothing_is_left(in_s3: Account) -> None:
    [simulated, tried] = in_s3.errors()
    assert simulated.check == "caller permissions"
    assert tried.check == "workspace"
    assert "put_object" in tried.found
    in_s3.put_user_policy(statement_in(simulated.remedy), name="remedy")
    assert in_s3.errors() == ()
    assert keys(in_s3) == []
    assert list((in_s3.folder / "home").rglob("*-????????????")) == []


def test_a_workspace_among_the_checkpoints_is_refused(in_s3: Account) -> None:
    use_workspace(in_s3, f"s3://{in_s3.bucket}/models/working")
    assert any("which Bedrock may read" in finding.found for finding in in_s3.errors())
    assert keys(in_s3) == []


def test_a_workspace_in_a_bucket_that_is_missing_is_named(in_s3: Account) -> None:
    use_workspace(in_s3, "s3://there-is-no-such-bucket/working")
    assert [(finding.which, finding.found) for finding in in_s3.errors() if finding.check == "bucket"] == [
        ("there-is-no-such-bucket", "there is no such bucket")
    ]
