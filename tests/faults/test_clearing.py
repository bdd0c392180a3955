"""A person clears tasks of a run that is over."""

from __future__ import annotations

import json

import pytest

from tests.faults.conftest import Start
from tests.faults.installation import Installation
from tests.faults.outcomes import assert_failed, assert_imported_once
from tests.faults.runs import Run
from tests.support.import_chain import CHAIN


@pytest.mark.parametrize("task_id", CHAIN)
def test_clear_of_one_task_of_a_finished_run(finished: Run, task_id: str) -> None:
    finished.clear(task_id, downstream=False)
    assert_imported_once(finished)


@pytest.mark.parametrize("task_id", ["preflight"])
def test_clear_of_a_task_of_a_finished_run_and_those_after_it(finished: Run, task_id: str) -> None:
    finished.clear(task_id)
    assert_imported_once(finished)


def test_clear_of_an_upload_that_failed_continues_although_the_workspace_was_cleared(
    installation: Installation, start: Start
) -> None:
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{installation.bucket}/*",
    }
    s3 = installation.client("s3")
    policy = s3.get_bucket_policy(Bucket=installation.bucket)["Policy"]
    run = start(adapter="include/demo/adapters/finished")
    run.wait_for_task("preflight", "success")
    denied = json.loads(policy)
    denied["Statement"].append(denial)
    s3.put_bucket_policy(Bucket=installation.bucket, Policy=json.dumps(denied))
    try:
        assert_failed(run, "upload_checkpoint", "S3RequestError", "403", jobs=0)
    finally:
        s3.put_bucket_policy(Bucket=installation.bucket, Policy=policy)
    run.clear("upload_checkpoint")
    assert_imported_once(run)
