"""kill -9 of each process in each phase of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.faults.conftest import Stage, Start
from tests.faults.installation import Installation
from tests.faults.outcomes import assert_imported_once, assert_nothing_twice
from tests.faults.runs import Run

MERGED = "include/demo/adapters/finished"


@dataclass(frozen=True)
class Phase:
    """A task at work: caught in this state, or when the request with these bytes was sent and not yet answered."""

    name: str
    task_id: str
    state: str = "running"
    marker: bytes = b""


UPLOAD = Phase("upload", "upload_checkpoint", marker=b"/model.safetensors HTTP")
CREATION = Phase("creation of the job", "create_import_job", marker=b"POST /model-import-jobs HTTP")
PHASES = (
    Phase("merge", "merge_lora"),
    UPLOAD,
    CREATION,
    Phase("wait for the import", "wait_for_import", state="deferred"),
    Phase("warm-up", "warm_up", state="deferred"),
    Phase("evaluation", "evaluate_model", marker=b"/invoke HTTP"),
    Phase("registration", "register_version", marker=b"SageMaker.CreateModelPackage\r\n"),
)
#: A deferred task has no worker: it is killed while it asks, just before it defers.
PHASES_OF_A_WORKER = tuple(
    {
        "wait_for_import": replace(phase, marker=b"GET /model-import-jobs/"),
        "warm_up": replace(phase, marker=b"/invoke HTTP"),
    }.get(phase.task_id, phase)
    for phase in PHASES
)


def _killer(name: str) -> Callable[[Installation], None]:
    def kill_and_start_again(installation: Installation) -> None:
        installation.kill(name)
        installation.start(name)

    return kill_and_start_again


KILLS: dict[str, Callable[[Installation], None]] = {
    "worker with its task": Installation.kill_worker,
    "scheduler with its workers": _killer("scheduler"),
    "triggerer": _killer("triggerer"),
    "API server": _killer("api-server"),
}


def _lie_in_wait(run: Run, phase: Phase) -> None:
    """Catch the phase's request. Called before its task can send it: some seconds after the task before has ended."""
    if phase.marker:
        run.installation.gate.lose_answer_to(phase.marker)


def _reach(run: Run, phase: Phase) -> None:
    """Return when the run is in the middle of this phase."""
    if phase.marker:
        assert run.installation.gate.wait_for_request(180), run.summary()
    else:
        run.wait_for_task(phase.task_id, phase.state)


def _let_go_on(installation: Installation, phase: Phase) -> None:
    installation.gate.release()
    if phase.task_id == "wait_for_import":
        installation.script("release-imports")
    if phase.task_id == "warm_up":
        installation.script("cold", seconds=0)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("victim", KILLS)
def test_kill_9_in_each_phase_of_a_run(installation: Installation, start: Start, stage: Stage, victim: str) -> None:
    installation.script("hold-imports")
    installation.script("cold", seconds=1200)
    run = start(adapter=MERGED)
    phases = PHASES_OF_A_WORKER if victim.startswith("worker") else PHASES
    _lie_in_wait(run, phases[0])
    for phase, following in zip(phases, (*phases[1:], None), strict=True):
        _reach(run, phase)
        KILLS[victim](installation)
        with stage(f"kill -9 of the {victim} during the {phase.name}"):
            _let_go_on(installation, phase)
            run.wait_for_task(phase.task_id, "success")
            if following:
                _lie_in_wait(run, following)
            assert_nothing_twice(run)
    assert_imported_once(run)


def test_kill_9_of_other_groups_of_processes(installation: Installation, start: Start, stage: Stage) -> None:
    installation.script("hold-imports")
    run = start()
    _lie_in_wait(run, UPLOAD)
    _reach(run, UPLOAD)
    with stage("kill -9 of the task's own process while it uploads, as the kernel does when memory is short"):
        installation.kill_task_process()
        installation.gate.release()
        run.wait_for_task("upload_checkpoint", "success")
    _lie_in_wait(run, CREATION)
    _reach(run, CREATION)
    with stage("kill -9 of the scheduler alone, whose orphaned worker still creates the job"):
        orphans = installation.workers()
        installation.kill("scheduler", alone=True)
        installation.start("scheduler")
        installation.gate.release()
        run.wait_for_task("create_import_job", "success")
        installation.kill_processes(orphans)
    run.wait_for_task("wait_for_import", "deferred")
    with stage("kill -9 of every process at once while the import is waited for"):
        for name in (components := ("scheduler", "triggerer", "api-server", "dag-processor")):
            installation.kill(name)
        installation.script("release-imports")
        for name in components:
            installation.start(name)
        assert_imported_once(run)
