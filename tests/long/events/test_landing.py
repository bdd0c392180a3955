"""Fine-tunes land in S3 and nobody touches anything; the tests build on each other, in this order."""

from __future__ import annotations

import json
import sys
import time

import pytest

from tests.long.events.event_system import FOLDER, EventSystem

pytestmark = pytest.mark.timeout(1800)
DROPS = 50


def skipped_after_decision(system: EventSystem) -> bool:
    """Return whether the last run ended in decide_import and did nothing else but its teardown."""
    run = system.runs()[-1]
    states = system.states(run)
    first = {"preflight", "decide_import"}
    done = {task_id for task_id, state in states.items() if state == "success"}
    return run["state"] == "success" and first <= done <= {*first, "put_metrics", "clear_workspace"}


def test_a_dropped_adapter_ends_as_the_promoted_version(system: EventSystem) -> None:
    system.drop("monday")
    system.wait_for_rest()
    assert system.champion_adapter() == system.uri("monday")
    assert [run["state"] for run in system.runs()] == ["success"]


def test_the_same_content_landing_again_costs_a_preflight(system: EventSystem) -> None:
    before = len(system.runs())
    system.drop("monday-again")
    system.wait_for_rest()
    assert len(system.runs()) == before + 1
    assert skipped_after_decision(system)


def test_fifty_drops_in_a_minute_end_with_the_newest_though_the_triggerer_is_killed(system: EventSystem) -> None:
    before, began = len(system.runs()), time.monotonic()
    for number in range(DROPS):
        system.drop(f"burst-{number}", lora_alpha=32 + (number + 1) / 100)
        if number == DROPS // 2:
            system.kill_triggerer()
            system.send("garbage")
            system.start_triggerer()
    assert time.monotonic() - began < 60
    system.wait_for_rest()
    seconds = time.monotonic() - began
    runs = system.runs()[before:]
    fingerprints = system.imported_fingerprints()
    sys.stdout.write(
        f"\n{DROPS} drops: {len(runs)} runs, {len(fingerprints) - 1} imports, at rest after {seconds:.0f} s\n"
    )
    assert system.champion_adapter() == system.uri(f"burst-{DROPS - 1}")
    assert len(fingerprints) == len(set(fingerprints))
    assert {run["state"] for run in runs} == {"success"}
    assert len(runs) <= 10
    assert system.messages(system.dead_letter_url) == 1


def test_a_late_message_of_an_old_fine_tune_replaces_nothing(system: EventSystem) -> None:
    champion, imports = system.champion_adapter(), len(system.imported_fingerprints())
    key = f"{FOLDER}/burst-3/adapter_config.json"
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": system.bucket}, "object": {"key": key}}}
    system.send(json.dumps({"Records": [record]}))
    system.wait_for_rest()
    assert skipped_after_decision(system)
    assert (system.champion_adapter(), len(system.imported_fingerprints())) == (champion, imports)


def test_a_completed_training_job_ends_as_a_version(system: EventSystem) -> None:
    system.train("landed-1", "early")
    system.wait_for_rest()
    assert system.versions()[-1]["CustomerMetadataProperties"]["adapter"] == "sagemaker:training-job/landed-1"
