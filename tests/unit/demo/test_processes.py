from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from include.demo.processes import (
    ProcessDiedError,
    ProcessGroup,
    free_port,
    inherited_environment,
    port_holder,
    wait_for_line,
)

SLEEP = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys; print('ready', flush=True); subprocess.run([sys.executable, '-c', '{SLEEP}'])"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)\n" + SLEEP


def _start(group: ProcessGroup, code: str, name: str = "child") -> psutil.Process:
    group.start(name, [sys.executable, "-c", code], os.environ)
    return psutil.Process(group.started[-1].pid)


def _gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_stopping_ends_a_process_and_all_that_it_started(tmp_path: Path) -> None:
    group = ProcessGroup(tmp_path)
    parent = _start(group, PARENT)
    wait_for_line(group.log_file("child"), "ready", 20, group)
    while not (children := parent.children()):
        time.sleep(0.05)
    assert group.stop() == ["child"]
    assert all(_gone(process) for process in (parent, *children))


def test_a_later_command_finds_and_stops_what_an_earlier_one_started(tmp_path: Path) -> None:
    process = _start(ProcessGroup(tmp_path), SLEEP)
    assert ProcessGroup(tmp_path).stop() == ["child"]
    assert _gone(process)


def test_stopping_twice_stops_nothing_the_second_time(tmp_path: Path) -> None:
    _start(ProcessGroup(tmp_path), SLEEP)
    ProcessGroup(tmp_path).stop()
    assert ProcessGroup(tmp_path).stop() == []


def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.demo.processes.STOP_TIMEOUT", 0.5)
    group = ProcessGroup(tmp_path)
    process = _start(group, STUBBORN)
    wait_for_line(group.log_file("child"), "ready", 20, group)
    group.stop()
    assert _gone(process)


def test_a_foreign_process_that_got_a_pid_of_ours_is_left_alone(tmp_path: Path) -> None:
    group = ProcessGroup(tmp_path)
    process = _start(group, SLEEP)
    group.started = [entry._replace(create_time=entry.create_time - 100) for entry in group.started]
    assert group.stop() == []
    assert process.is_running()
    process.kill()


def _check_for_a_minute(group: ProcessGroup) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        group.check()
        time.sleep(0.05)


def test_a_process_that_ended_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    group = ProcessGroup(tmp_path)
    group.start("oven", [sys.executable, "-c", "print('out of cheese'); raise SystemExit(3)"], os.environ)
    with pytest.raises(ProcessDiedError, match="oven") as died:
        _check_for_a_minute(group)
    assert "out of cheese" in str(died.value)


def test_who_holds_a_port_is_named_and_another_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = server.getsockname()[1]
        assert f"pid {os.getpid()}" in (port_holder(held) or "")
        port, holder = free_port(held)
    assert port != held
    assert f"pid {os.getpid()}" in (holder or "")


def test_settings_of_another_airflow_or_aws_account_do_not_reach_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    assert not {name for name in inherited_environment() if name.startswith(("AWS_", "AIRFLOW"))}
