"""docs/integrations.md: what takes an imported model's ARN, and the code that it shows, held to botocore's models."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest
import regex
from botocore.awsrequest import AWSResponse
from botocore.model import Shape

from include.aws.clients import AwsClients
from include.consumer import Champion
from include.local_aws.request_validation import service_model, validate_input
from include.publishing.pointer import Pointer
from tests.support.bedrock_stand_in import CREDENTIALS, REGION
from tests.support.documents import ROOT, blocks

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
PAGE = (ROOT / "docs/integrations.md").read_text("utf-8")
ROW = regex.compile(r"^\| [^|]+ \| `([a-z-]+)` \| `(\w+)` \| `([\w.\[\]]+)` \| (yes|no) \|$", regex.MULTILINE)
LINES = ROW.findall(PAGE)
POINTER = Pointer(
    model_name="m",
    version=2,
    imported_model_arn=ARN,
    region_name=REGION,
    fingerprint="f",
    body_format="OpenAICompletion",
    guardrail_id="abc123",
    guardrail_version="1",
    converse=False,
    since=datetime(2026, 11, 28, tzinfo=UTC),
    request="run",
)


def parameter(service: str, operation: str, path: str) -> Shape:
    shape: Any = service_model(service).operation_model(operation).input_shape
    for step in path.replace("[]", ".[]").split("."):
        shape = shape.member if step == "[]" else shape.members[step]
    return shape


def test_the_table_names_each_use_that_the_page_speaks_of() -> None:
    assert len(LINES) == PAGE.count("| yes |") + PAGE.count("| no |") >= 18


@pytest.mark.parametrize(("service", "operation", "path", "matches"), LINES)
def test_a_line_of_the_table_says_what_botocores_pattern_says(
    service: str, operation: str, path: str, matches: str
) -> None:
    rules = parameter(service, operation, path).metadata
    taken = regex.fullmatch(rules["pattern"], ARN) and len(ARN) <= rules.get("max", len(ARN))
    assert bool(taken) == (matches == "yes")


class Service:
    """A boto3 client whose valid requests are answered from here; others fail as the service would have them fail."""

    def __init__(self, service: str) -> None:
        self.client: Any = boto3.client(service, region_name=REGION, **CREDENTIALS)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Iterator[str]] = {}
        self.client.meta.events.register("provide-client-params.*.*", self._check)
        self.client.meta.events.register("before-send.*.*", self._answer)

    def _check(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        assert validate_input(model.service_model.service_name, model.name, params) == []
        self.requests.append((model.name, params))

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        body = next(self.answers[self.requests[-1][0]]).encode()
        return AWSResponse(
            request.url, 200, {"content-type": "application/json"}, SimpleNamespace(stream=lambda: [body])
        )


def documented(number: int) -> dict[str, Any]:
    """What the number-th Python block of the page defines."""
    found = [block for block in blocks("python") if block.document == "docs/integrations.md"]
    defined: dict[str, Any] = {}
    exec(compile(found[number].text, "docs/integrations.md", "exec"), defined)
    return defined


def test_the_knowledge_base_is_asked_with_the_champion_that_the_pointer_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = ModuleType("consumer")
    module.Champion = Champion  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "consumer", module)
    runtime = Service("bedrock-agent-runtime")
    runtime.answers["RetrieveAndGenerate"] = iter(['{"output": {"text": "Within 30 days."}, "sessionId": "s"}'])
    monkeypatch.setattr(boto3, "client", lambda *_, **__: runtime.client)
    champion = SimpleNamespace(pointer=lambda: POINTER.model_dump(mode="json", exclude_none=True))
    answer = documented(0)["answer_from_knowledge_base"](champion, "ABCDEFGHIJ", "How do I return a parcel?")
    assert answer == "Within 30 days."
    [(_, sent)] = runtime.requests
    asked = sent["retrieveAndGenerateConfiguration"]["knowledgeBaseConfiguration"]
    assert asked["modelArn"] == ARN
    assert asked["generationConfiguration"]["guardrailConfiguration"]["guardrailId"] == "abc123"


def agent(model: str, status: str) -> str:
    return f"""{{"agent": {{"agentId": "ABCDEFGHIJ", "agentName": "helper", "agentStatus": "{status}",
        "instruction": "Help customers who want to return a parcel or ask where it is.", "foundationModel": "{model}",
        "agentResourceRoleArn": "arn:aws:iam::123456789012:role/agents", "idleSessionTTLInSeconds": 600}}}}"""


def test_the_publisher_updates_the_agent_and_keeps_the_rest_of_its_configuration() -> None:
    agents, old = Service("bedrock-agent"), ARN.replace("abc", "xyz")
    states = [(old, "PREPARED"), (ARN, "UPDATING"), (ARN, "NOT_PREPARED"), (ARN, "PREPARED"), (ARN, "PREPARED")]
    agents.answers = {
        "GetAgent": iter([agent(*state) for state in states]),
        "UpdateAgent": iter([agent(ARN, "UPDATING")]),
        "PrepareAgent": iter(['{"agentId": "ABCDEFGHIJ", "agentStatus": "PREPARING"}']),
    }
    defined = documented(1)
    defined["time"] = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: None)
    update_agent = defined["update_agent"]
    clients = AwsClients(lambda service: {"bedrock-agent": agents.client}[service])
    update_agent(POINTER, clients)
    sent = dict(agents.requests)["UpdateAgent"]
    assert (sent["foundationModel"], sent["idleSessionTTLInSeconds"]) == (ARN, 600)
    assert sent["guardrailConfiguration"] == {"guardrailIdentifier": "abc123", "guardrailVersion": "1"}
    before = len(agents.requests)
    update_agent(POINTER, clients)  # a publisher may be called again
    assert [name for name, _ in agents.requests[before:]] == ["GetAgent"]
