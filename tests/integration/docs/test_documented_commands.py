"""Every documented command that is not for the demo is run against the stand-in, or handed to its program's parser.

Those for the demo are run by tests/e2e/test_whole_way_shell.py.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import yaml
from airflow.cli.cli_parser import get_parser

from include.config.model import parse_model_config
from model_import_dag.loader import load_dags
from model_import_dag.rolling_back import build_roll_back_dag
from tests.support.documents import DOCUMENTS, ROOT, Block, Sandbox, blocks, demo_blocks, inline_commands
from tests.support.local_aws_process import LocalAwsProcess

LANGUAGES = {"sh", "bash", "python", "javascript", "yaml", "json", "console", "text"}
MODEL = {
    "model_name": "capitals",
    "base": "include/demo/base",
    "evaluation": {"dataset": "include/demo/capitals_eval.jsonl"},
}
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
MAKE_VARIABLES = set(re.findall(r"^([A-Z]+) \?=", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
SHELL_BLOCKS = [block for block in blocks("sh", "bash", "console") if not block.for_the_demo]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with LocalAwsProcess(["--cold-start-seconds", "0"]) as process:
        yield Sandbox(tmp_path_factory.mktemp("docs"), process.endpoint_url)


def check_make(arguments: list[str]) -> None:
    targets = {word for word in arguments if "=" not in word}
    assert targets <= MAKE_TARGETS
    assert {word.partition("=")[0] for word in arguments if "=" in word} <= MAKE_VARIABLES


def check_airflow(arguments: list[str]) -> None:
    parsed = get_parser().parse_args(arguments)
    if getattr(parsed, "conf", None) and arguments[:2] == ["dags", "trigger"]:
        params = {**load_dags(), "roll_back_model": build_roll_back_dag()}[parsed.dag_id].params
        for name, value in json.loads(parsed.conf).items():
            params.get_param(name).resolve(value)


def check_docker(arguments: list[str]) -> None:
    """Check a docker compose command against the compose file: no Docker engine runs here."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("compose", choices=["compose"])
    parser.add_argument(
        "--profile", choices=[name for service in COMPOSE["services"].values() for name in service.get("profiles", [])]
    )
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up")
    for flag in ("--build", "--detach", "--wait"):
        up.add_argument(flag, action="store_true")
    up.add_argument("--scale", type=lambda text: COMPOSE["services"][text.partition("=")[0]])
    for name in ("run", "exec"):
        command = commands.add_parser(name)
        for flag in ("--rm", "--no-TTY", "--no-deps"):
            command.add_argument(flag, action="store_true")
        command.add_argument("--user")
        command.add_argument("service", choices=list(COMPOSE["services"]))
        command.add_argument("command", nargs=argparse.REMAINDER)
    for name in ("stop", "start", "pull", "build", "ps", "logs", "config", "down"):
        commands.add_parser(name).add_argument("services", nargs="*", choices=[*COMPOSE["services"], []])
    parser.parse_args(arguments)


def check_python(arguments: list[str]) -> None:
    if arguments[:2] == ["-m", "pytest"]:
        check_pytest(arguments[2:])
    elif arguments[0] != "-c" and arguments[:2] not in (["-m", "venv"], ["-m", "pip"]):
        check_own_program(arguments)


def check_own_program(arguments: list[str]) -> None:
    """Check that a module or script of the project is there, and takes the options."""
    name = arguments[1].replace(".", "/") if arguments[0] == "-m" else arguments[0].removesuffix(".py")
    sources = [ROOT / f"{name}.py"] if (ROOT / f"{name}.py").exists() else [*(ROOT / name).glob("*.py")]
    assert sources, f"no module {name}"
    code = "".join(source.read_text("utf-8") for source in sources)
    assert [word for word in arguments if word.startswith("--") and f'"{word}"' not in code] == []


def check_pytest(arguments: list[str]) -> None:
    for word in arguments:
        assert not word.startswith("tests/") or (ROOT / word).exists()


def check_pip(arguments: list[str]) -> None:
    for flag, value in pairwise(arguments):
        assert flag not in ("-r", "-c") or (ROOT / value).is_file()


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "airflow": check_airflow,
    "docker": check_docker,
    "make": check_make,
    "pip": check_pip,
    "pre-commit": lambda arguments: None,
    "pytest": check_pytest,
    "python": check_python,
    ".venv/bin/python": check_python,
    "python3.11": check_python,
    "renewed/bin/pip": check_pip,
}


def test_every_block_says_what_it_is() -> None:
    assert DOCUMENTS
    unknown = {str(block) for block in blocks("", *LANGUAGES) if block.language not in LANGUAGES}
    fences = sum(len(re.findall(r"^ *```", path.read_text("utf-8"), re.MULTILINE)) for path in DOCUMENTS)
    assert unknown == set()
    assert fences == 2 * len(blocks("", *LANGUAGES))


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=str)
def test_a_documented_command_is_one_that_works(block: Block, sandbox: Sandbox) -> None:
    if block.reason:
        subprocess.run(["bash", "-n", "-c", block.text], check=True)
        return
    if (
        "--template-file include/cloudformation/model_import.yaml" in block.text
    ):  # several documents deploy the same stack
        sandbox.run(["aws", "cloudformation", "delete-stack", "--stack-name", "model-import"])
    sandbox.shell(block.text)
    for program, *arguments in sandbox.noted():
        CHECKS[program](arguments)


def test_the_stacks_outputs_end_in_the_variables_that_the_project_reads(sandbox: Sandbox) -> None:
    block = next(block for block in SHELL_BLOCKS if "airflow variables set" in block.text)
    sandbox.shell(block.text)
    names = {arguments[2] for program, *arguments in sandbox.noted() if arguments[:2] == ["variables", "set"]}
    assert {"model_import_bucket", "model_import_prefix", "model_import_role_arn"} <= names


@pytest.mark.parametrize("command", inline_commands())
def test_a_command_within_a_sentence_is_one_that_its_program_takes(command: str, sandbox: Sandbox) -> None:
    program, *arguments = shlex.split(command)
    if program == "aws":
        done = sandbox.run(["aws", *arguments, "--generate-cli-skeleton", "input"])
        assert done.returncode == 0, done.stderr
    else:
        CHECKS[program](arguments)


@pytest.mark.parametrize("block", blocks("sh", "bash", "console"), ids=str)
def test_a_command_has_no_comment_behind_it_which_zsh_would_hand_to_the_program(block: Block) -> None:
    assert re.findall(r"\S +# .*", block.text) == []


@pytest.mark.parametrize("document", sorted({block.document for block in demo_blocks("sh", "console", "python")}))
def test_a_page_says_how_a_shell_reaches_the_demo_before_its_first_command(document: str) -> None:
    first = next(block for block in demo_blocks("sh", "console", "python") if block.document == document)
    assert "source .demo/env" in first.before + first.text


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_a_documented_piece_of_a_models_file_is_valid(block: Block) -> None:
    piece = yaml.safe_load(block.text)
    left_out = {"evaluation"} if "evaluations" in piece else set()
    whole = {name: value for name, value in MODEL.items() if name not in left_out}
    parse_model_config({**whole, **piece}, block.document)


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_documented_python_compiles(block: Block) -> None:
    compile(block.text, block.document, "exec")
