"""How other people's programs call an imported model: complete examples, for a version's report and for the docs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

EXAMPLES = Path(__file__).with_name("client_examples")
#: In every example, in place of the model's own.
EXAMPLE_ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
EXAMPLE_REGION = "us-east-1"


class Client(NamedTuple):
    """A program or library: its example's file, what to know, and whether it calls Converse rather than InvokeModel."""

    title: str
    file: str
    converse: bool = False
    note: str = ""


class Guardrail(NamedTuple):
    """A guardrail through which calls go: its id or ARN, and its version."""

    identifier: str
    version: str


class ClientExample(NamedTuple):
    """An example with the ARN of one model in it."""

    title: str
    note: str
    text: str


CLIENTS = (
    Client("boto3", "boto3_client.py", note="asks a cold model again until it answers; boto3 alone gives up too soon"),
    Client("curl", "curl_client.sh", note="7.75 or newer, which signs requests itself"),
    Client("litellm", "litellm_client.py"),
    Client("LangChain (langchain-aws)", "langchain_client.py", note='provider="mistral" reads another body format'),
    Client("JavaScript SDK", "javascript_client.mjs"),
    Client(
        "LlamaIndex", "llama_index_client.py", converse=True, note="model only has to be a name that LlamaIndex knows"
    ),
    Client("Strands Agents", "strands_client.py", converse=True),
    Client("LangChain.js", "langchain_client.mjs", converse=True),
)


#: By file: what in an example is replaced so that its calls go through a guardrail.
_GUARDED = {
    "boto3_client.py": (
        ("def ask(", 'GUARDRAIL = {{"guardrailIdentifier": "{0}", "guardrailVersion": "{1}"}}\n\n\ndef ask('),
        ("body=json.dumps(body))", "body=json.dumps(body), **GUARDRAIL)"),
    ),
    "curl_client.sh": (
        (
            "  --data",
            """  --header "x-amzn-bedrock-guardrailidentifier: {0}" \\
  --header "x-amzn-bedrock-guardrailversion: {1}" \\
  --data""",
        ),
    ),
}
_UNGUARDED = "this example does not use the guardrail of the evaluation"


def client_examples(model_arn: str, converse: bool, guardrail: Guardrail | None = None) -> tuple[ClientExample, ...]:
    """Return the examples that work for a model.

    Args:
        model_arn: of the imported model.
        converse: whether Converse was seen to work for it; otherwise the examples that need it are left out.
        guardrail: the one of its evaluation; boto3 and curl use it, the notes of the others say that they do not.
    """
    region = model_arn.split(":")[3]
    return tuple(
        ClientExample(client.title, _note(client, guardrail), _filled(_text(client, guardrail), model_arn, region))
        for client in CLIENTS
        if converse or not client.converse
    )


def _note(client: Client, guardrail: Guardrail | None) -> str:
    unguarded = _UNGUARDED if guardrail and client.file not in _GUARDED else ""
    return "; ".join(filter(None, (client.note, unguarded)))


def _text(client: Client, guardrail: Guardrail | None) -> str:
    text = example_text(client)
    if guardrail is None:
        return text
    for plain, guarded in _GUARDED.get(client.file, ()):
        text = text.replace(plain, guarded.format(*guardrail), 1)
    return text


def boto3_example(model_arn: str, endpoint_url: str = "") -> str:
    """Return the example for boto3, for an endpoint that is not AWS's if one is given."""
    text = client_examples(model_arn, converse=False)[0].text
    where = f'"bedrock-runtime", endpoint_url="{endpoint_url}"'
    return text.replace('"bedrock-runtime"', where) if endpoint_url else text


def example_text(client: Client) -> str:
    """Return a client's example as the docs show it."""
    return (EXAMPLES / client.file).read_text("utf-8")


def _filled(text: str, model_arn: str, region: str) -> str:
    return model_arn.join(part.replace(EXAMPLE_REGION, region) for part in text.split(EXAMPLE_ARN))
