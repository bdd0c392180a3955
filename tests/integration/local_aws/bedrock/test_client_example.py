"""The boto3 example of docs/clients.md, run as it is printed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from include.reporting.clients import CLIENTS, Guardrail, client_examples
from tests.support.bedrock_stand_in import CREDENTIALS, Aws


def test_the_boto3_example_waits_for_a_cold_model_that_boto3_alone_gives_up(aws: Aws, model: str) -> None:
    [text] = [example.text for example in client_examples(model, converse=True) if example.title == CLIENTS[0].title]
    aws.script("cold", seconds=6)
    assert said([sys.executable, "-c", text], aws)


@pytest.mark.parametrize(("title", "command"), [("boto3", [sys.executable, "-c"]), ("curl", ["bash", "-c"])])
def test_an_example_of_a_version_that_was_evaluated_with_a_guardrail_uses_it(
    title: str, command: list[str], aws: Aws, model: str
) -> None:
    aws.script("guardrail", identifier="abc", version="3", blocked=["Kenya"], message="I cannot say.")
    examples = client_examples(model, converse=True, guardrail=Guardrail("abc", "3"))
    [text] = [example.text for example in examples if example.title == title]
    assert "I cannot say." in said([*command, text], aws)


def said(command: list[str], aws: Aws) -> str:
    """What a program that was given the stand-in's endpoint printed."""
    keys = {name.upper(): value for name, value in CREDENTIALS.items()}
    environment = {**os.environ, **keys, "AWS_ENDPOINT_URL": aws.endpoint, "AWS_MAX_ATTEMPTS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
