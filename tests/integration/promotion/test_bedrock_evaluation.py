"""A Bedrock evaluation job over stored answers: created once, adopted, and read back into decision and report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from include.aws.clients import AwsClients
from include.run.plan import ImportPlan
from include.steps import bedrock_evaluation
from include.steps.bedrock_evaluation import create_evaluation, read_evaluation, stored_scores
from include.steps.decide import decide, measure_champion
from include.steps.evaluation_job_results import EvaluationJobResult, StartedEvaluationJob
from include.steps.results import EvaluationResult
from model_import_dag.factory import build_import_dag
from tests.support.bedrock_stand_in import REGION, Aws
from tests.support.evaluation_jobs import EVALUATOR, create_evaluation_role, ended
from tests.support.judging import results_of, store_answers
from tests.support.local_aws_process import ROOT
from tests.support.promotion_runs import EQUAL_IS_ENOUGH, Runs, finished
from tests.support.task_run import FakeTaskInstance, run_task

#: The process is killed right after Bedrock has created the job, before anything of it is kept.
CREATE_UNTIL_KILLED = """
import os, signal, sys
from pathlib import Path
from include.aws.clients import AwsClients
from include.run.plan import ImportPlan
from include.steps.bedrock_evaluation import create_evaluation
from include.steps.results import EvaluationResult
from tests.support.bedrock_stand_in import Aws
clients = AwsClients(Aws(sys.argv[1]).client)
create = clients.bedrock.create_evaluation_job
def create_and_die(**request):
    create(**request)
    os.kill(os.getpid(), signal.SIGKILL)
clients.bedrock.create_evaluation_job = create_and_die
plan, evaluation = (Path(path).read_text() for path in sys.argv[2:])
create_evaluation(ImportPlan.model_validate_json(plan), EvaluationResult.model_validate_json(evaluation), clients)
"""


@pytest.fixture
def role(aws: Aws) -> Iterator[str]:
    aws.script("judge", model=EVALUATOR)
    yield create_evaluation_role(aws, f"evaluation-{uuid.uuid4().hex[:8]}")
    aws.script("clear-faults")


@pytest.fixture
def plan(runs: Runs, role: str) -> ImportPlan:
    return plan_of(runs, role)


def plan_of(runs: Runs, role: str, **changes: Any) -> ImportPlan:
    config = {"evaluator_model": EVALUATOR, "metrics": ["Correctness", "Helpfulness"]} | changes
    return runs.plan(**EQUAL_IS_ENOUGH, bedrock_evaluation=config, account={"evaluation_role_arn": role})


def jobs_of(aws: Aws, plan: ImportPlan) -> list[dict[str, Any]]:
    pages = aws.client("bedrock").get_paginator("list_evaluation_jobs").paginate(nameContains=plan.config.model_name)
    return [job for page in pages for job in page["jobSummaries"]]


def scored(
    aws: Aws, plan: ImportPlan, evaluation: EvaluationResult, clients: AwsClients
) -> tuple[StartedEvaluationJob, EvaluationJobResult]:
    """The job about an evaluation, and its scores once it has ended."""
    started = create_evaluation(plan, evaluation, clients)
    ended(aws, started.job_arn)
    return started, read_evaluation(plan, evaluation, started, clients)


def test_the_scores_of_a_job_are_a_finding_a_section_of_the_report_and_stored(
    runs: Runs, aws: Aws, plan: ImportPlan
) -> None:
    correctness = {f"question {n}": {"Builtin.Correctness": 0.5} for n in range(120)}
    helpfulness = {"Builtin.Helpfulness": None}
    aws.script("evaluation-scores", scores=helpfulness, by_prompt=correctness)
    evaluation = runs.evaluated(plan, finished)
    started, result = scored(aws, plan, evaluation, runs.clients)
    assert (started.adopted, result.problem) == (False, "")
    assert result.summary.startswith(f"{EVALUATOR} scores 100 answers: Correctness 0.500 [")
    stored = stored_scores(result.scores_uri, runs.clients.s3)
    assert stored
    assert (stored.records, stored.written, stored.unscored) == (100, 100, {"Correctness": 0, "Helpfulness": 100})
    assert stored.console_url == ""  # a stand-in is not in AWS's console

    champion = measure_champion(plan, evaluation, runs.clients)
    decision = decide(plan, evaluation, champion, runs.clients, evaluation_job=result)
    assert decision.status == "Approved"
    assert [one.effect for one in decision.findings if one.reason == result.summary] == ["informs"]
    done = runs.decided(plan, finished) | {
        "evaluate_model": evaluation.model_dump(mode="json"),
        "decide_promotion": decision.model_dump(mode="json"),
    }
    page = runs.page(plan, runs.registered(plan, done))
    assert "<h2>Bedrock evaluation job</h2>" in page
    assert '<th scope="row">Correctness</th><td>0.500' in page
    assert "Helpfulness: without a score</th><td>100 of 100" in page
    assert stored.job_arn in page


def test_the_data_set_has_the_question_the_accepted_answer_and_the_stored_answer_and_no_more(
    runs: Runs, aws: Aws, plan: ImportPlan
) -> None:
    results = [*results_of(["Lima", None]), *results_of(["x", "Quito"])[1:]]
    evaluation = store_answers(plan, "three", results, runs.clients)
    started, result = scored(aws, plan, evaluation, runs.clients)
    job = aws.client("bedrock").get_evaluation_job(jobIdentifier=started.job_arn)
    [asked] = job["evaluationConfig"]["automated"]["datasetMetricConfigs"]
    bucket, _, key = asked["dataset"]["datasetLocation"]["s3Uri"].removeprefix("s3://").partition("/")
    body = runs.clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert [json.loads(line) for line in body.splitlines()] == [
        {
            "prompt": f"question {number}",
            "referenceResponse": "Lima",
            "modelResponses": [{"response": answer, "modelIdentifier": "served"}],
        }
        for number, answer in ((0, "Lima"), (1, "Quito"))
    ]
    assert "scores 2 answers" in result.summary


def test_the_same_answers_are_given_to_one_job_only(runs: Runs, aws: Aws, plan: ImportPlan, role: str) -> None:
    evaluation = runs.evaluated(plan, finished)
    aws.script("hold-evaluations")
    first = create_evaluation(plan, evaluation, runs.clients)
    running = create_evaluation(plan, evaluation, runs.clients)
    aws.script("release-evaluations")
    ended(aws, first.job_arn)
    complete = create_evaluation(plan, evaluation, runs.clients)
    read_evaluation(plan, evaluation, first, runs.clients)
    stored = create_evaluation(plan, evaluation, runs.clients)
    assert [(one.job_arn, one.adopted) for one in (running, complete, stored)] == 3 * [(first.job_arn, True)]
    assert len(jobs_of(aws, plan)) == 1
    other = plan.model_copy(update={"config": plan_of(runs, role, metrics=["Coherence"]).config})
    assert create_evaluation(other, evaluation, runs.clients).job_arn != first.job_arn


def test_a_process_killed_after_the_creation_leaves_a_job_that_the_next_try_adopts(
    runs: Runs, aws: Aws, plan: ImportPlan, tmp_path: Path
) -> None:
    evaluation = runs.evaluated(plan, finished)
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    (tmp_path / "evaluation.json").write_text(evaluation.model_dump_json())
    files = [str(tmp_path / name) for name in ("plan.json", "evaluation.json")]
    command = [sys.executable, "-c", CREATE_UNTIL_KILLED, aws.endpoint, *files]
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    [job] = jobs_of(aws, plan)
    started = create_evaluation(plan, evaluation, runs.clients)
    assert (started.job_arn, started.adopted) == (job["jobArn"], True)
    assert len(jobs_of(aws, plan)) == 1


def test_an_answer_that_is_lost_makes_no_second_job(runs: Runs, aws: Aws, plan: ImportPlan) -> None:
    evaluation = runs.evaluated(plan, finished)
    aws.script("fail-calls", operation="CreateEvaluationJob", connection="drop_after")
    with pytest.raises(Exception, match="Connection"):
        create_evaluation(plan, evaluation, runs.clients)  # Airflow tries the task again
    assert create_evaluation(plan, evaluation, runs.clients).adopted
    assert len(jobs_of(aws, plan)) == 1


def test_a_name_that_the_list_does_not_show_yet_is_adopted_when_it_turns_out_to_be_taken(
    runs: Runs, aws: Aws, plan: ImportPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = runs.evaluated(plan, finished)
    first = create_evaluation(plan, evaluation, runs.clients)
    aws.script("fail-calls", operation="CreateEvaluationJob", code="ConflictException")
    shown = bedrock_evaluation._find
    late = iter([lambda *_: 1, shown])
    monkeypatch.setattr(bedrock_evaluation, "_find", lambda *arguments: next(late)(*arguments))
    assert create_evaluation(plan, evaluation, runs.clients).job_arn == first.job_arn


def test_the_request_token_is_that_of_the_answers_so_bedrock_itself_makes_no_second_job(
    runs: Runs, aws: Aws, plan: ImportPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = runs.evaluated(plan, finished)
    first = create_evaluation(plan, evaluation, runs.clients)
    monkeypatch.setattr(bedrock_evaluation, "_find", lambda *_: 1)  # the list shows nothing yet
    assert create_evaluation(plan, evaluation, runs.clients).job_arn == first.job_arn
    assert len(jobs_of(aws, plan)) == 1


def test_a_job_that_fails_is_a_finding_with_its_messages_and_the_next_run_makes_another(
    runs: Runs, aws: Aws, plan: ImportPlan, caplog: pytest.LogCaptureFixture
) -> None:
    aws.script("fail-next-evaluation", messages=["the evaluator is overloaded", "come again"])
    evaluation = runs.evaluated(plan, finished)
    started, failed = scored(aws, plan, evaluation, runs.clients)
    assert failed.scores_uri == ""
    assert failed.problem.startswith("the Bedrock evaluation job gave no scores: ")
    assert "Failed: the evaluator is overloaded; come again" in failed.problem
    assert "clear create_bedrock_evaluation" in caplog.text
    champion = measure_champion(plan, evaluation, runs.clients)
    decision = decide(plan, evaluation, champion, runs.clients, evaluation_job=failed)
    assert decision.status == "Approved"
    assert failed.problem in [one.reason for one in decision.findings if one.effect == "informs"]

    again, result = scored(aws, plan, evaluation, runs.clients)
    assert again.job_name == f"{started.job_name}-2"
    assert result.scores_uri


@pytest.mark.parametrize("scripted", ["stopped", "running"])
def test_a_job_without_an_end_or_that_was_stopped_is_a_finding(
    runs: Runs, aws: Aws, plan: ImportPlan, scripted: str
) -> None:
    aws.script("hold-evaluations")
    evaluation = runs.evaluated(plan, finished)
    started = create_evaluation(plan, evaluation, runs.clients)
    if scripted == "stopped":
        aws.client("bedrock").stop_evaluation_job(jobIdentifier=started.job_arn)
        ended(aws, started.job_arn)
    found = read_evaluation(plan, evaluation, started, runs.clients)
    assert ("Stopped" if scripted == "stopped" else "InProgress") in found.problem


@pytest.mark.parametrize("code", ["AccessDeniedException", "ServiceQuotaExceededException"])
def test_a_job_that_bedrock_refuses_is_a_finding(runs: Runs, aws: Aws, plan: ImportPlan, code: str) -> None:
    aws.script("fail-calls", operation="CreateEvaluationJob", code=code)
    evaluation = runs.evaluated(plan, finished)
    started = create_evaluation(plan, evaluation, runs.clients)
    assert started.job_arn == ""
    assert code in started.problem
    assert read_evaluation(plan, evaluation, started, runs.clients).problem == started.problem


def test_throttling_is_retried_by_the_task_and_reported_at_its_last_try(runs: Runs, aws: Aws, plan: ImportPlan) -> None:
    aws.script("fail-calls", operation="CreateEvaluationJob", code="ThrottlingException", calls=2)
    evaluation = runs.evaluated(plan, finished)
    with pytest.raises(Exception, match="ThrottlingException"):
        create_evaluation(plan, evaluation, runs.clients)
    assert "ThrottlingException" in create_evaluation(plan, evaluation, runs.clients, last_try=True).problem


@pytest.mark.parametrize(
    ("body", "found"),
    [(None, "no object that ends in"), (b"{}", "automatedEvaluationResult"), (b"not JSON", "line 1")],
)
def test_output_that_is_missing_or_of_another_form_is_a_finding(
    runs: Runs, aws: Aws, plan: ImportPlan, body: bytes | None, found: str
) -> None:
    evaluation = runs.evaluated(plan, finished)
    started = create_evaluation(plan, evaluation, runs.clients)
    ended(aws, started.job_arn)
    s3 = runs.clients.s3
    place = f"{started.scores_uri.removesuffix('.json')}/".removeprefix(f"s3://{plan.bucket}/")
    for item in s3.list_objects_v2(Bucket=plan.bucket, Prefix=place)["Contents"]:
        if item["Key"].endswith("_output.jsonl"):
            s3.delete_object(Bucket=plan.bucket, Key=item["Key"])
            if body is not None:
                s3.put_object(Bucket=plan.bucket, Key=item["Key"], Body=body)
    assert found in read_evaluation(plan, evaluation, started, runs.clients).problem


class Ti(FakeTaskInstance):
    """A task instance at its first try that has what other tasks have left."""

    try_number, max_tries = 1, 2

    def __init__(self, done: Mapping[str, Any]) -> None:
        super().__init__()
        self.done = done

    def xcom_pull(self, task_ids: str) -> Any:
        return self.done.get(task_ids)


@pytest.mark.parametrize("fails", [False, True], ids=["scores", "fails"])
def test_the_tasks_of_a_run_wait_for_the_job_deferred_and_decide_with_its_scores_or_its_failure(
    aws: Aws, runs: Runs, plan: ImportPlan, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    connection = {"conn_type": "aws", "login": "test", "password": "test"}
    connection["extra"] = json.dumps({"region_name": REGION, "endpoint_url": aws.endpoint})
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SCORING", json.dumps(connection))
    plan = plan.model_copy(update={"aws_conn_id": "aws_scoring"})
    dag = build_import_dag(f"import_{runs.group}", plan.config)
    results = {"preflight": plan, "evaluate_model": runs.evaluated(plan, finished)}
    done = {name: value.model_dump(mode="json") for name, value in results.items()}

    def run(name: str) -> Any:
        task: Any = dag.get_task(name)
        return task.python_callable(ti=Ti(done), dag=dag)

    if fails:
        aws.script("fail-next-evaluation", messages=["overloaded"])
    aws.script("hold-evaluations")
    done["create_bedrock_evaluation"] = run("create_bedrock_evaluation")
    done["evaluate_champion"] = run("evaluate_champion")
    wait: Any = dag.get_task("wait_for_bedrock_evaluation")
    names = {name: done["create_bedrock_evaluation"][name] for name in ("job_arn", "job_name")}
    for name, value in {**names, "aws_conn_id": "aws_scoring", "region_name": REGION, "poke_interval": 0.2}.items():
        setattr(wait, name, value)
    with pytest.raises(TaskDeferred):
        wait.execute({"ti": Ti(done)})
    aws.script("release-evaluations")
    try:
        assert run_task(wait, Ti(done)) == names
        assert not fails
    except AirflowSkipException:
        assert fails
    done["read_bedrock_evaluation"] = run("read_bedrock_evaluation")
    decision = run("decide_promotion")
    assert decision["status"] == "Approved"
    words = "Bedrock evaluation job" if fails else EVALUATOR
    [said] = [one["reason"] for one in decision["findings"] if words in one["reason"]]
    assert ("overloaded" in said) if fails else said.startswith(f"{EVALUATOR} scores 100 answers: Correctness 1.000")


def test_a_run_without_a_job_waits_for_none(aws: Aws, runs: Runs, plan: ImportPlan) -> None:
    dag = build_import_dag(f"import_{runs.group}", plan.config)
    wait: Any = dag.get_task("wait_for_bedrock_evaluation")
    with pytest.raises(AirflowSkipException, match="refused"):
        wait.execute({"ti": Ti({"create_bedrock_evaluation": {"problem": "Bedrock refused the job"}})})


def test_answers_that_are_all_missing_make_no_job(runs: Runs, aws: Aws, plan: ImportPlan) -> None:
    evaluation = store_answers(plan, "none", results_of([None, None]), runs.clients)
    assert "no answer to evaluate" in create_evaluation(plan, evaluation, runs.clients).problem
    assert jobs_of(aws, plan) == []
