"""Clients that other people wrote call an imported model with the examples of docs/clients.md, unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from include.reporting.clients import CLIENTS, Client, client_examples
from tests.support.bedrock_stand_in import BUCKET, Aws, when_ready

Environment = dict[str, str]
PYTHON = [client for client in CLIENTS if client.file.endswith(".py")]
NODE = [client for client in CLIENTS if client.file.endswith(".mjs")]
PATIENCE = 300


def run(command: list[str | Path], environment: Environment, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    sys.stdout.write(f"{done.stdout}{done.stderr[-2000:]}")
    return done


def written(client: Client, model: str, folder: Path) -> Path:
    text = next(example.text for example in client_examples(model, converse=True) if example.title == client.title)
    (folder / client.file).write_text(text, "utf-8")
    return folder / client.file


def warm(aws: Aws, model: str) -> None:
    when_ready(lambda: aws.invoke(model, prompt="a", max_gen_len=1))


def test_botocores_defaults_fail_on_a_cold_model_and_the_function_of_the_docs_does_not(
    aws: Aws, model: str, python: Path, environment: Environment, tmp_path: Path
) -> None:
    aws.script("cold", seconds=20)
    call = f"boto3.client('bedrock-runtime').invoke_model(modelId={model!r}, body='{{\"prompt\": \"a\"}}')"
    refused = run([python, "-c", f"import boto3; {call}"], environment, tmp_path)
    assert "ModelNotReadyException" in refused.stderr
    answered = run([python, written(PYTHON[0], model, tmp_path)], environment, tmp_path)
    assert answered.stdout.strip() == "Nairobi"


@pytest.mark.parametrize("client", PYTHON, ids=lambda client: client.title)
def test_a_python_client_gets_the_models_answer(
    aws: Aws, model: str, python: Path, environment: Environment, tmp_path: Path, client: Client
) -> None:
    warm(aws, model)
    done = run([python, written(client, model, tmp_path)], environment, tmp_path)
    assert done.stdout.strip().endswith("Nairobi")


@pytest.mark.parametrize("client", NODE, ids=lambda client: client.title)
def test_a_javascript_client_gets_the_models_answer(
    aws: Aws, model: str, node_folder: Path, environment: Environment, client: Client
) -> None:
    warm(aws, model)
    done = run(["node", "--no-warnings", written(client, model, node_folder)], environment, node_folder)
    assert done.stdout.strip() == "Nairobi"


def test_the_javascript_sdks_default_client_is_told_what_to_change(
    model: str, node_folder: Path, environment: Environment
) -> None:
    script = written(next(client for client in NODE if client.title == "JavaScript SDK"), model, node_folder)
    text = script.read_text("utf-8").replace(", requestHandler: new NodeHttpHandler()", "")
    (node_folder / "default.mjs").write_text(text, "utf-8")
    done = run(["node", "--no-warnings", "default.mjs"], environment, node_folder)
    assert "pass requestHandler: new NodeHttpHandler()" in done.stderr


def test_curl_gets_the_models_answer(aws: Aws, model: str, environment: Environment, tmp_path: Path) -> None:
    warm(aws, model)
    curl = next(client for client in CLIENTS if client.title == "curl")
    assert '"text": " Nairobi"' in run(["bash", written(curl, model, tmp_path)], environment, tmp_path).stdout


BREAKING = {
    'ChatBedrock(provider="mistral")': (
        "from langchain_aws import ChatBedrock\n"
        "model = ChatBedrock(model_id={arn!r}, provider='mistral', region_name='us-east-1')\n"
        "print(model.invoke('What is the capital of Kenya?').content)"
    ),
    "a stream of litellm's bedrock/openai/": (
        "import litellm\n"
        "parts = litellm.completion(model='bedrock/openai/' + {arn!r}, stream=True, max_tokens=9,"
        " messages=[dict(role='user', content='What is the capital of Kenya?')])\n"
        "print(''.join(part.choices[0].delta.content or '' for part in parts))"
    ),
}


@pytest.mark.parametrize("call", BREAKING.values(), ids=BREAKING)
def test_what_the_docs_call_broken_is_broken(
    aws: Aws, model: str, python: Path, environment: Environment, tmp_path: Path, call: str
) -> None:
    warm(aws, model)
    assert "Nairobi" not in run([python, "-c", call.format(arn=model)], environment, tmp_path).stdout


def test_rclone_lists_the_bucket_by_http_and_is_told_so_when_it_uses_tls(
    aws: Aws, model: str, python: Path, environment: Environment, tmp_path: Path
) -> None:
    settings = {"RCLONE_S3_PROVIDER": "AWS", "RCLONE_S3_ENV_AUTH": "true", "RCLONE_S3_FORCE_PATH_STYLE": "true"}
    listing = [python.parent / "rclone", "ls", "--retries", "1", "--low-level-retries", "1", f":s3:{BUCKET}/demo"]
    by_http = run(listing, environment | settings | {"RCLONE_S3_ENDPOINT": aws.endpoint}, tmp_path)
    assert "model.safetensors" in by_http.stdout
    without_scheme = aws.endpoint.removeprefix("http://")
    by_tls = run(listing, environment | settings | {"RCLONE_S3_ENDPOINT": without_scheme}, tmp_path)
    assert "server gave HTTP response to HTTPS client" in by_tls.stderr


def test_s5cmd_copies_a_model(aws: Aws, model: str, python: Path, environment: Environment, tmp_path: Path) -> None:
    s5cmd: list[str | Path] = [python.parent / "s5cmd", "--endpoint-url", aws.endpoint]
    run([*s5cmd, "cp", f"s3://{BUCKET}/demo/*", "copy/"], environment, tmp_path)
    assert (tmp_path / "copy/model.safetensors").stat().st_size > 1_000_000


AWS_COMMANDS = [
    "aws bedrock list-imported-models --name-contains capitals --query modelSummaries[].modelName",
    "aws bedrock get-imported-model --model-identifier capitals --query modelArn",
    f"aws s3 sync s3://{BUCKET}/demo synced",
    "aws sagemaker list-model-packages --model-package-group-name none",
]


@pytest.mark.parametrize("command", AWS_COMMANDS)
def test_the_aws_command_line_is_answered(
    aws: Aws, model: str, environment: Environment, tmp_path: Path, command: str
) -> None:
    program = Path(sys.executable).with_name("aws")
    assert run([program, *command.split()[1:]], environment, tmp_path).returncode == 0
