"""One paid job for each content and attempt, whatever happens to the run."""

from __future__ import annotations

import pytest

from tests.long.fine_tune.conftest import Start
from tests.long.fine_tune.training_installation import (
    TrainingInstallation,
    assert_no_job,
    assert_trained_once,
    job_name_of,
    jobs_of,
    wait_for_job,
)

EVALUATION = "include/demo/capitals_eval.jsonl"
CREATION = b"X-Amz-Target: SageMaker.CreateTrainingJob"


def test_a_second_trigger_beside_the_first_adopts_its_job(start: Start) -> None:
    runs = start(training_job_processes=12), start(training_job_processes=12)
    assert_trained_once(*runs)


def test_a_trigger_after_the_end_and_cleared_tasks_find_the_same_job(start: Start) -> None:
    run = start()
    assert_trained_once(run)
    later = start()
    assert_trained_once(run, later)
    run.clear("start_training")
    assert_trained_once(run)
    run.clear("plan_training")
    job = assert_trained_once(run, later)
    assert run.result("start_training") | {"adopted": 0} == {
        "job_arn": job["TrainingJobArn"], "job_name": job["TrainingJobName"], "attempt": 1, "adopted": 0,
    }  # fmt: skip


def test_a_forced_run_trains_again_and_its_retry_does_not(start: Start) -> None:
    run, forced = start(), start(force=True)
    assert_trained_once(run)
    assert_trained_once(forced)
    assert job_name_of(run) != job_name_of(forced)
    forced.clear("plan_training")
    assert_trained_once(forced)


def test_a_lost_answer_to_the_request_for_the_job(installation: TrainingInstallation, start: Start) -> None:
    installation.gate.lose_answer_to(CREATION)
    run = start()
    assert installation.gate.wait_for_request(480), run.summary()
    installation.gate.release()
    assert_trained_once(run)


@pytest.mark.parametrize("victim", ["worker", "scheduler"])
def test_kill_9_while_the_job_is_created(installation: TrainingInstallation, start: Start, victim: str) -> None:
    installation.gate.lose_answer_to(CREATION)
    run = start()
    assert installation.gate.wait_for_request(480), run.summary()
    if victim == "worker":
        installation.kill_worker()
    else:
        installation.kill("scheduler")
        installation.start("scheduler")
    installation.gate.release()
    assert_trained_once(run)
    assert run.result("start_training")["adopted"]


def test_kill_9_of_the_worker_that_prepares_the_data(installation: TrainingInstallation, start: Start) -> None:
    installation.gate.lose_answer_to(b"train.safetensors")
    run = start()
    assert installation.gate.wait_for_request(480), run.summary()
    installation.kill_worker()
    installation.gate.release()
    assert_trained_once(run)


@pytest.mark.parametrize("victim", ["triggerer", "scheduler"])
def test_kill_9_while_the_training_is_waited_for(installation: TrainingInstallation, start: Start, victim: str) -> None:
    run = start(training_job_processes=16)
    run.wait_for_task("wait_for_training", "deferred")
    installation.kill(victim)
    installation.start(victim)
    assert_trained_once(run)


def test_an_outage_of_aws_is_waited_through(installation: TrainingInstallation, start: Start) -> None:
    run = start(training_job_processes=12)
    run.wait_for_task("wait_for_training", "deferred")
    installation.gate.shut()
    run.wait_for_line("wait_for_training", "still waiting")
    installation.gate.open()
    assert_trained_once(run)


def test_a_spot_interruption_ends_in_the_same_job(installation: TrainingInstallation, start: Start) -> None:
    run = start(training_job_processes=16)
    run.wait_for_task("wait_for_training", "deferred")
    wait_for_job(run, lambda job: job["SecondaryStatus"] == "Training")
    installation.script_training("interrupt", job=job_name_of(run))
    job = assert_trained_once(run)
    assert "Interrupted" in [moved["Status"] for moved in job["SecondaryStatusTransitions"]]


def test_without_capacity_the_start_is_deferred_until_the_third_job(
    installation: TrainingInstallation, start: Start
) -> None:
    installation.script_training("no-capacity", jobs=2)
    run = start()
    assert_trained_once(run, ended_before=2)
    assert "There was no capacity" in run.log("start_training")
    assert "deferred" in run.log("start_training").lower()


def test_a_quota_in_use_defers_the_start(installation: TrainingInstallation, start: Start) -> None:
    others = [start(training_seed=seed, training_job_processes=16) for seed in (1, 2)]
    for other in others:
        other.wait_for_task("wait_for_training", "deferred")
    run = start()
    run.wait_for_line("start_training", "SageMaker accepts no job for the moment (ResourceLimitExceeded)")
    assert_trained_once(run)
    for other in others:
        assert_trained_once(other)


def test_a_failed_training_says_why_and_the_next_attempt_resumes(start: Start) -> None:
    run = start(training_job_processes=13)
    assert run.finish() == "failed", run.summary()
    log = run.log("wait_for_training")
    assert "SageMaker says: AlgorithmError" in log
    assert "then clear start_training: it starts the next job, which resumes from the last checkpoint" in log
    assert run.tasks()["wait_for_training"]["try_number"] == 1
    run.clear("start_training")
    job = assert_trained_once(run, ended_before=1)
    assert job["TrainingJobName"].endswith("-2")
    assert run.result("record_training")["attempts"] == 2


def test_a_job_that_a_person_stopped_is_followed_by_the_next_attempt(
    installation: TrainingInstallation, start: Start
) -> None:
    run = start(training_job_processes=16)
    run.wait_for_task("wait_for_training", "deferred")
    installation.client("sagemaker").stop_training_job(TrainingJobName=job_name_of(run))
    assert run.finish() == "failed", run.summary()
    assert "StopTrainingJob was called" in run.log("wait_for_training")
    run.clear("start_training")
    assert_trained_once(run, ended_before=1)


def test_a_wait_that_a_person_ends_stops_the_job_if_asked_to(installation: TrainingInstallation, start: Start) -> None:
    run = start(training_job_processes=16, training_job_stop_on_kill=True)
    run.wait_for_line("wait_for_training", "InProgress (Training) after")
    run.wait_for_task("wait_for_training", "deferred")
    installation.set_state(run, "wait_for_training", "failed")
    wait_for_job(run, lambda job: job["TrainingJobStatus"] == "Stopped")
    assert run.finish() == "failed", run.summary()


def test_a_wait_that_a_person_ends_leaves_the_job_to_the_next_run(
    installation: TrainingInstallation, start: Start
) -> None:
    run = start(training_job_processes=16)
    run.wait_for_task("wait_for_training", "deferred")
    installation.set_state(run, "wait_for_training", "failed")
    assert run.finish() == "failed", run.summary()
    assert [job["TrainingJobStatus"] for job in jobs_of(run)] == ["InProgress"]
    again = start()
    assert_trained_once(again)
    assert again.result("start_training")["adopted"]


@pytest.mark.parametrize(
    ("dag_id", "conf", "task_id", "said"),
    [
        ("fine_tune_asked_otherwise", {}, "plan_training", ("another prompt than it is evaluated with",)),
        (
            "fine_tune_refusing",
            {"training_data": "include/demo/capitals_eval.jsonl"},
            "prepare_data",
            ("LeakageError",),
        ),
        ("fine_tune_refusing", {"training_data": "include/demo/no.jsonl"}, "plan_training", ("no.jsonl",)),
        ("fine_tune_refusing", {"training_epochs": 9}, "plan_training", ("FixedParametersError", "training.epochs")),
        ("fine_tune_refusing", {"training_sed": 9}, "plan_training", ("did you mean training_seed?",)),
    ],
    ids=["template", "leakage", "no data", "fixed", "unknown"],
)
def test_what_is_wrong_starts_no_job(
    start: Start, dag_id: str, conf: dict[str, object], task_id: str, said: tuple[str, ...]
) -> None:
    assert_no_job(start(dag_id, **conf), task_id, *said)
