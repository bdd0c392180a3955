"""Multipart uploads that are cut off."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Stage, Start
from tests.faults.installation import Installation
from tests.faults.outcomes import assert_imported_once
from tests.tiny_mistral import save_tiny_mistral

A_MINUTE = 60.0
SLOW = 4e6


@pytest.fixture
def large_model(tmp_path: Path) -> Path:
    """A checkpoint of several parts."""
    return save_tiny_mistral(tmp_path / "large", hidden_size=512, intermediate_size=2048, num_hidden_layers=3)


def test_a_multipart_upload_goes_on_where_it_was_cut_off(
    installation: Installation, start: Start, stage: Stage, large_model: Path
) -> None:
    run = start(base=str(large_model))
    with stage("kill -9 of the worker in the middle of a multipart upload"):
        installation.gate.bytes_per_second = SLOW
        installation.gate.lose_answer_to(b"partNumber=")
        assert installation.gate.wait_for_request(240), run.summary()
        installation.kill_worker()
        installation.gate.release()
    with stage("The endpoint is down for a minute in the middle of a multipart upload"):
        installation.gate.lose_answer_to(b"uploadId=")
        assert installation.gate.wait_for_request(240), run.summary()
        installation.gate.shut()
        time.sleep(A_MINUTE)
        installation.gate.open()
        assert_imported_once(run)
