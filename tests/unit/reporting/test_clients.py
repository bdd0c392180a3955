"""The examples of calls: in the docs, and with a model's own ARN in its report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.reporting.clients import (
    CLIENTS,
    EXAMPLES,
    Client,
    Guardrail,
    boto3_example,
    client_examples,
    example_text,
)
from include.reporting.page import render
from tests.support.pages import answers, content

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/clients.md").read_text("utf-8")
ARN = "arn:aws:bedrock:eu-central-1:210987654321:imported-model/zyxwvutsrqpo"


def test_every_example_is_of_a_client() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == {client.file for client in CLIENTS}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.title)
def test_the_docs_show_an_example_as_it_is_tested(client: Client) -> None:
    section = PAGE.split(f"\n## {client.title}\n")[1].split("\n## ")[0]
    [shown] = re.findall(r"^```\w+\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert shown == example_text(client)


def test_an_example_has_the_models_arn_and_region() -> None:
    for example in client_examples(ARN, converse=True):
        assert ARN in example.text
        assert not re.search("us-east-1|123456789012", example.text)


def test_the_pages_code_is_the_example_that_waits_for_a_cold_model_with_the_endpoint_if_it_is_not_awss() -> None:
    example = client_examples(ARN, converse=False)[0].text
    assert boto3_example(ARN) == example
    assert 'boto3.client("bedrock-runtime", endpoint_url="http://127.0.0.1:5555", ' in boto3_example(
        ARN, "http://127.0.0.1:5555"
    )
    assert "deadline" in example


def test_clients_that_need_converse_are_shown_where_converse_works_only() -> None:
    shown = [[example.title for example in client_examples(ARN, converse)] for converse in (True, False)]
    assert shown[0] == [client.title for client in CLIENTS]
    assert shown[1] == [client.title for client in CLIENTS if not client.converse]


def test_an_example_without_the_guardrail_of_the_evaluation_says_so() -> None:
    for plain, guarded in zip(
        client_examples(ARN, converse=True), client_examples(ARN, True, Guardrail("abc", "3")), strict=True
    ):
        uses_it = guarded.text != plain.text
        assert uses_it == (plain.title in ("boto3", "curl"))
        assert ("does not use the guardrail" in guarded.note) != uses_it


def test_a_report_shows_how_its_model_is_called() -> None:
    page = render(content(answers(lambda *_: True, 0.2), None, clients=client_examples(ARN, converse=False)))
    assert page.count("<pre>") == sum(not client.converse for client in CLIENTS)
    assert page.count(ARN) == sum(not client.converse for client in CLIENTS)
    assert "<h2>Call it</h2>" not in render(content(answers(lambda *_: True, 0.2), None))
