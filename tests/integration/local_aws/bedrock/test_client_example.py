"""The boto3 example of docs/clients.md, run as it is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from include.reporting.clients import CLIENTS, client_examples
from tests.support.bedrock_stand_in import CREDENTIALS, Aws


def test_the_boto3_example_waits_for_a_cold_model_that_boto3_alone_gives_up(
    aws: Aws, model: str, tmp_path: Path
) -> None:
    [text] = [example.text for example in client_examples(model, converse=True) if example.title == CLIENTS[0].title]
    (tmp_path / "ask.py").write_text(text, "utf-8")
    keys = {name.upper(): value for name, value in CREDENTIALS.items()}
    environment = {**os.environ, **keys, "AWS_ENDPOINT_URL": aws.endpoint, "AWS_MAX_ATTEMPTS": "1"}
    aws.script("cold", seconds=6)
    done = subprocess.run(
        [sys.executable, tmp_path / "ask.py"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
