from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from include.demo.airflow_server import airflow_environment, cli_environment
from include.demo.environment import Environment, aws_connection, stand_in_variables
from include.demo.run import FOLDER
from include.demo.shell_file import shell_file
from include.demo.summary import show_next_steps

ROOT = Path(__file__).parents[3]
SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]
ENDPOINT = "http://127.0.0.1:5555"


def sourced(shell: str, file: Path, lines: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the lines in a new shell that has sourced the file."""
    command = [shell, "-euc", f"source '{file}'\n{lines}"]
    env = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "env"
    file.write_text(shell_file({"AIRFLOW_ODD": "a b'c\"$d`e", "AWS_ENDPOINT_URL": ENDPOINT}, file))
    return file


@pytest.mark.parametrize("shell", SHELLS)
def test_settings_of_another_airflow_or_aws_account_do_not_reach_the_shells_commands(shell: str, file: Path) -> None:
    others = {"AWS_PROFILE": "work", "AWS_ENDPOINT_URL_S3": "https://real", "AIRFLOW__CORE__EXECUTOR": "Celery"}
    printed = sourced(shell, file, "env", KEPT="yes", **others).stdout
    assert {line for line in printed.splitlines() if line.startswith(("AIRFLOW", "AWS_", "KEPT"))} == {
        "AIRFLOW_ODD=a b'c\"$d`e",
        f"AWS_ENDPOINT_URL={ENDPOINT}",
        "KEPT=yes",
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shells_python_is_the_projects(shell: str, file: Path) -> None:
    assert sourced(shell, file, "command -v python").stdout.strip() == str(Path(sys.executable).parent / "python")


@pytest.mark.parametrize("shell", SHELLS)
def test_sourced_again_or_after_make_down_it_says_so_and_does_no_harm(shell: str, file: Path) -> None:
    assert sourced(shell, file, f"source '{file}'").stderr == ""
    stopped = file.with_name("stopped")
    stopped.write_text(shell_file({"AWS_ENDPOINT_URL": ENDPOINT}, file.with_name("nothing")))
    done = sourced(shell, stopped, "echo $AWS_ENDPOINT_URL")
    assert (done.stdout, done.stderr) == (f"{ENDPOINT}\n", "The demo is not running: `make demo` starts it.\n")


def test_the_commands_of_airflow_get_all_its_settings_except_the_keys_that_sign_tokens(tmp_path: Path) -> None:
    connection = aws_connection(ENDPOINT, "key", "secret")
    server, cli = (made(tmp_path, 8080, connection, {}) for made in (airflow_environment, cli_environment))
    assert server.keys() - cli.keys() == {"AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"}
    assert cli.items() < server.items()


def test_the_aws_account_of_the_shell_is_the_stand_in() -> None:
    assert set(stand_in_variables(ENDPOINT).values()) == {ENDPOINT, "testing", "us-east-1"}


def test_the_demo_ends_with_the_four_lines_of_the_readme_which_say_what_to_do_next() -> None:
    out = io.StringIO()
    environment = Environment(str(FOLDER), ENDPOINT, "http://127.0.0.1:8080", "...", "bucket")
    show_next_steps(environment, Console(file=out, soft_wrap=True))
    lines = out.getvalue().splitlines()
    assert len(lines) == 4
    assert "source .demo/env" in lines[1]
    [console] = re.findall(
        r"^```console\n(.*?)\n```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert console.splitlines()[-4:] == lines
