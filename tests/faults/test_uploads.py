"""Multipart uploads that are cut off."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Start
from tests.faults.installation import Installation
from tests.faults.outcomes import assert_imported_once
from tests.support.tiny_mistral import save_tiny_mistral

A_MINUTE = 60.0
SLOW = 4e6
USUAL_RETRIES = "import_model_with_the_usual_retries"


@pytest.fixture
def large_model(tmp_path: Path) -> Path:
    """A checkpoint of several parts."""
    return save_tiny_mistral(tmp_path / "large", hidden_size=512, intermediate_size=2048, num_hidden_layers=3)


def test_kill_9_of_the_worker_in_the_middle_of_a_multipart_upload(
    installation: Installation, start: Start, large_model: Path
) -> None:
    run = start(base=str(large_model))
    installation.gate.bytes_per_second = SLOW
    installation.gate.lose_answer_to(b"partNumber=")
    assert installation.gate.wait_for_request(240), run.summary()
    installation.kill_worker()
    installation.gate.release()
    assert_imported_once(run)


def test_the_endpoint_is_down_for_a_minute_in_the_middle_of_a_multipart_upload(
    installation: Installation, start: Start, large_model: Path
) -> None:
    run = start(USUAL_RETRIES, base=str(large_model))
    installation.gate.lose_answer_to(b"partNumber=")
    assert installation.gate.wait_for_request(240), run.summary()
    installation.gate.shut()
    time.sleep(A_MINUTE)
    installation.gate.open()
    assert_imported_once(run)
