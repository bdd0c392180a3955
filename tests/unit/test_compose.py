from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from include.config.account import AccountConfig
from model_import_dag.schedules import QUEUE_VARIABLE

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yaml").read_text("utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
EXAMPLE = dotenv_values(ROOT / ".env.example", interpolate=False)
AIRFLOW_SERVICES = sorted(name for name in SERVICES if name.startswith("airflow-"))
# ${NAME}, ${NAME:-default} or ${NAME:?message}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<kind>:-|:\?)?(?P<rest>[^}]*)\}")

KNOWN_SETTINGS = """
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager
ProvidersManager().initialize_providers_configuration()
for section, description in conf.configuration_description.items():
    print(*(f"AIRFLOW__{section}__{option}".upper() for option in description["options"]))
"""


def airflow_environment() -> dict[str, str]:
    """Return the environment of Airflow's services, with a made-up value for each secret."""
    values = {name: value or "f" * 32 for name, value in EXAMPLE.items()}
    raw = SERVICES["airflow-scheduler"]["environment"]
    return {name: VARIABLE.sub(lambda found: values[found["name"]], str(value)) for name, value in raw.items()}


def programs(service: dict[str, Any]) -> Iterator[list[str]]:
    """Yield each program that a service starts, with its arguments, also from inside shell lines."""
    command = service.get("command", [])
    test = service.get("healthcheck", {}).get("test", ["CMD"])
    for argv in (command, test[1:]):
        if argv[:2] in (["bash", "-c"], ["sh", "-c"]) or (argv is not command and test[0] == "CMD-SHELL"):
            yield from (shlex.split(line) for line in re.split(r"&&|\|+|[{;}]", argv[-1]) if line.strip())
        elif argv:
            yield argv


def all_programs(first_word: str) -> list[list[str]]:
    found = [argv for service in SERVICES.values() for argv in programs(service) if argv[0] == first_word]
    assert found
    return found


def run(*arguments: str, **environment: str) -> str:
    """Return what Python prints when started with these arguments."""
    command = [sys.executable, *arguments]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_airflow_code(code: str, *arguments: str) -> str:
    """Return what ``code`` prints in the compose file's environment."""
    return run("-c", code, *arguments, **airflow_environment())


@pytest.mark.parametrize(
    ("schema", "file"),
    [("compose-spec", "docker-compose.yaml"), ("github-workflows", ".github/workflows/ci.yml")],
)
def test_the_file_follows_its_published_specification(schema: str, file: str) -> None:
    run("-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", file)


def test_every_component_of_airflow_has_a_service() -> None:
    started = {tuple(argv[1:3]) for argv in all_programs("airflow")}
    components = {
        ("api-server",),
        ("scheduler",),
        ("dag-processor",),
        ("triggerer",),
        ("celery", "worker"),
        ("db", "migrate"),
    }
    assert components <= started


def test_every_airflow_command_is_one_that_this_airflow_understands() -> None:
    commands = [argv[1:] for argv in all_programs("airflow")]
    code = (
        "import json, sys\n"
        "from airflow.cli.cli_parser import get_parser\n"
        "for argv in json.loads(sys.argv[1]): get_parser().parse_args(argv)\n"
    )
    run_airflow_code(code, json.dumps(commands))


def test_the_workers_health_check_asks_the_celery_app_that_airflow_makes() -> None:
    [argv] = all_programs("celery")
    module, _, name = argv[argv.index("--app") + 1].rpartition(".")
    output = run_airflow_code(f"from {module} import {name}; print(type({name}).__name__)")
    assert output.splitlines()[-1] == "Celery"


def test_the_stand_in_starts_with_its_command_and_answers_its_health_check() -> None:
    service = SERVICES["local-aws"]
    port = service["command"][-1]
    health_url = service["healthcheck"]["test"][-1]
    assert f":{port}/" in health_url
    command = [sys.executable, *service["command"][1:-1], "0"]  # a free port: tests run beside each other
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().removeprefix("ready ").strip()
            with urllib.request.urlopen(health_url.replace(f"http://127.0.0.1:{port}", url)) as answer:
                assert answer.status == 200
        finally:
            process.terminate()


def test_the_stand_in_is_let_out_of_its_loopback_by_its_gate_only() -> None:
    gate, port = SERVICES["local-aws-gate"], SERVICES["local-aws"]["command"][-1]
    assert gate["network_mode"] == "service:local-aws"
    assert gate["command"][1] == f"tcp-connect:127.0.0.1:{port}"
    [published] = SERVICES["local-aws"]["ports"]
    assert gate["command"][0].startswith(f"tcp-listen:{published.rpartition(':')[2]},")


def test_every_setting_is_one_that_airflow_or_this_project_reads() -> None:
    names = set().union(*(SERVICES[name]["environment"] for name in AIRFLOW_SERVICES))
    known = run_airflow_code(KNOWN_SETTINGS).split()
    settings = {name for name in names if name.startswith("AIRFLOW__")}
    assert settings - set(known) == set()
    variables = {f"AIRFLOW_VAR_MODEL_IMPORT_{field.upper()}" for field in AccountConfig.model_fields}
    variables |= {f"AIRFLOW_VAR_{QUEUE_VARIABLE}".upper()}
    others = {
        "AIRFLOW_CONN_AWS_DEFAULT",
        "HF_HUB_OFFLINE",
        "OMP_NUM_THREADS",
        "ADMIN_USER",
        "ADMIN_PASSWORD",
        "DUMB_INIT_SETSID",
    }
    assert names - settings - variables - others == set()


def test_env_example_names_every_variable_that_is_read_and_no_other() -> None:
    assert {found["name"] for found in VARIABLE.finditer(TEXT)} == set(EXAMPLE)


def test_secrets_are_in_no_file_and_starting_without_one_says_so() -> None:
    secrets = {name for name in EXAMPLE if re.search("PASSWORD|SECRET|FERNET", name)}
    assert {name: EXAMPLE[name] for name in secrets if EXAMPLE[name]} == {}
    demanded = {found["name"] for found in VARIABLE.finditer(TEXT) if found["kind"] == ":?"}
    defaulted = {found["name"] for found in VARIABLE.finditer(TEXT) if found["kind"] == ":-"}
    assert secrets <= demanded - defaulted


def services_with(part: str) -> set[str]:
    return {name for name, service in SERVICES.items() if part in json.dumps(service.get("environment", {}))}


def test_each_service_gets_only_the_secrets_it_needs() -> None:
    airflow = set(AIRFLOW_SERVICES)
    assert services_with("AIRFLOW_CONN_AWS_DEFAULT") == {"airflow-api-server", "airflow-triggerer", "airflow-worker"}
    assert services_with("REDIS_PASSWORD") == {"redis", "airflow-scheduler", "airflow-worker"}
    assert services_with("POSTGRES_PASSWORD") == {"postgres", *airflow}
    assert services_with("AIRFLOW_ADMIN_PASSWORD") == {"airflow-init"}
    for secret in ("AIRFLOW_API_SECRET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_FERNET_KEY"):
        assert services_with(secret) == airflow


def test_no_service_has_rights_of_root_that_it_does_not_use() -> None:
    for service in SERVICES.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert {name for name, service in SERVICES.items() if "cap_add" in service} == {"postgres"}
    assert {name for name, service in SERVICES.items() if service.get("read_only")} == {"log-cleaner", "local-aws-gate"}


def test_every_output_of_the_stack_that_airflow_reads_has_its_line_in_env_example() -> None:
    template = (ROOT / "include" / "cloudformation" / "model_import.yaml").read_text("utf-8")
    variables = re.findall(r"Description: Airflow Variable model_import_(\w+)", template)
    assert {f"MODEL_IMPORT_{name.upper()}" for name in variables} <= set(EXAMPLE)


def test_what_a_service_prints_is_rotated_and_what_its_tasks_log_is_deleted_after_a_while() -> None:
    options = [service["logging"]["options"] for service in SERVICES.values()]
    assert all({"max-size", "max-file"} <= set(found) for found in options)
    [line] = [argv[-1] for name, service in SERVICES.items() if name == "log-cleaner" for argv in [service["command"]]]
    assert "$$LOG_RETENTION_DAYS" in line
    assert "logs:/opt/airflow/logs" in SERVICES["log-cleaner"]["volumes"]


def test_the_log_cleaner_deletes_old_logs_and_no_others(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for name, days in (("old/a.log", 31), ("new/b.log", 1)):
        (logs / name).parent.mkdir(parents=True)
        (logs / name).write_text("x")
        os.utime(logs / name, times=(time.time() - days * 86400,) * 2)
    line = SERVICES["log-cleaner"]["command"][-1].replace("$$", "$").replace("/opt/airflow/logs", str(logs))
    line = line.replace("sleep 86400", "break").replace("/tmp/log-cleaner", str(tmp_path / "beat"))
    environment = {**os.environ, "LOG_RETENTION_DAYS": EXAMPLE["LOG_RETENTION_DAYS"] or ""}
    subprocess.run(["bash", "-c", line], check=True, env=environment)
    assert [str(path.relative_to(logs)) for path in sorted(logs.rglob("*"))] == ["new", "new/b.log"]


def test_ports_are_open_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_service_that_stays_up_has_a_health_check() -> None:
    assert [name for name, service in SERVICES.items() if "healthcheck" not in service] == ["airflow-init"]


def test_every_image_is_pinned_to_a_version() -> None:
    images = [service["image"] for service in SERVICES.values()] + re.findall(
        r"^FROM (\S+:\S+)", DOCKERFILE, re.MULTILINE
    )
    assert [image for image in images if not re.search(r":[\w.-]*\d+\.\d+", image)] == []


def test_the_image_holds_the_airflow_of_the_constraints() -> None:
    [required] = re.findall(r"^apache-airflow==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    assert f"FROM apache/airflow:slim-{required}-python3.11 AS " in DOCKERFILE


def test_the_image_copies_what_exists_and_what_the_build_context_lets_through() -> None:
    allowed = [
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"
    ]
    copies = [re.sub(r"--\S+ ", "", line).split()[1:-1] for line in re.findall(r"^COPY .*", DOCKERFILE, re.MULTILINE)]
    sources = {source for line in copies for source in line}
    assert {"dags", "plugins", "include"} <= sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if not any(Path(source).match(pattern) for pattern in allowed)] == []


def test_every_build_target_is_a_stage_of_the_dockerfile() -> None:
    stages = set(re.findall(r" AS (\S+)$", DOCKERFILE, re.MULTILINE))
    assert {service["build"]["target"] for service in SERVICES.values() if "build" in service} <= stages


def test_every_airflow_service_sees_the_same_workspace_where_the_tasks_look_for_it() -> None:
    for name in AIRFLOW_SERVICES:
        mounts = dict(mount.split(":") for mount in SERVICES[name]["volumes"])
        variable = SERVICES[name]["environment"]["AIRFLOW_VAR_MODEL_IMPORT_WORKSPACE"]
        assert variable == f"${{MODEL_IMPORT_WORKSPACE:-{mounts['workspace']}}}"
        assert mounts["workspace"] == EXAMPLE["MODEL_IMPORT_WORKSPACE"]
        assert set(mounts) <= set(COMPOSE["volumes"])


def test_workers_can_be_scaled() -> None:
    worker = SERVICES["airflow-worker"]
    assert "container_name" not in worker
    assert "ports" not in worker


def test_what_we_build_does_not_run_as_root() -> None:
    built = [service for service in SERVICES.values() if "build" in service]
    assert {service["user"].partition(":")[0] for service in built} == {"50000"}
