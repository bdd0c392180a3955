"""A scripted judge on the stand-in: its preference, its bias, what disturbs it, and what it may do to a promotion."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from botocore.exceptions import ClientError

from include.aws.clients import AwsClients
from include.aws.transient import transient_cause
from include.errors import ModelImportError
from include.evaluation.errors import ModelInvocationError
from include.judging.results import Judgement
from include.judging.storage import JudgePlace, read_judgements
from include.run.plan import ImportPlan
from include.steps.approval_request import approval_request
from include.steps.decide import decide_again, measure_champion
from include.steps.judge import judge_answers
from include.steps.results import ChampionResult, EvaluationResult
from model_import_dag.factory import build_import_dag
from tests.support.bedrock_stand_in import REGION, Aws, error_code
from tests.support.judging import (
    CONCURRENCY,
    MODEL,
    NEW,
    OLD,
    Key,
    clients_with,
    judged,
    new_key,
    plan_with_judge,
    questions_asked,
    store_answers,
)
from tests.support.local_aws_process import ROOT
from tests.support.pages import answers
from tests.support.promotion_runs import EQUAL_IS_ENOUGH, Runs, early, finished

RECORDS = len(NEW)
JUDGE_UNTIL_KILLED = """
import sys
from pathlib import Path
from tests.support.judging import NEW, OLD, Key, clients_with, judged, plan_with_judge
endpoint, folder, *key = sys.argv[1:]
judged(plan_with_judge(Path(folder)), NEW, OLD, clients_with(endpoint, Key(*key)))
"""


@pytest.fixture
def key(aws: Aws) -> Key:
    return new_key(aws)


@pytest.fixture
def own_clients(aws: Aws, key: Key) -> AwsClients:
    """Clients whose calls are counted."""
    return clients_with(aws.endpoint, key)


@pytest.fixture(autouse=True)
def _no_faults(aws: Aws) -> Iterator[None]:
    yield
    aws.script("clear-faults")


def script(aws: Aws, **rule: Any) -> None:
    aws.script("judge", model=MODEL, **rule)


def test_a_hidden_preference_is_recovered_record_by_record(aws: Aws, own_clients: AwsClients, tmp_path: Path) -> None:
    chance = random.Random(4)
    better = [chance.choice([NEW[n], OLD[n], OLD[n], "neither"]) for n in range(RECORDS)]
    script(aws, by_question={f"question {n}": answer for n, answer in enumerate(better)})
    report = judged(plan_with_judge(tmp_path, repetitions=2), NEW, OLD, own_clients)
    planted = Counter(answer.split()[0] for answer in better)
    found = {"new": report.wins, "old": report.losses, "neither": report.ties}
    shares = {name: share.value for name, share in found.items() if share}
    assert shares == pytest.approx({name: planted[name] / RECORDS for name in found})
    assert (report.questions, report.unreadable, report.failed, report.without_verdict) == (4 * RECORDS, 0, 0, 0)
    assert (report.order_agreement, report.repetition_agreement) == (1.0, 1.0)
    assert (report.prefers, report.favoured_place) == ("champion", None)
    assert (report.judge, len(report.prompt_digest)) == (MODEL, 64)
    assert report.input_tokens > 0
    assert report.cost_summary.endswith("price unknown")


@pytest.mark.parametrize("place", ["first", "second"])
def test_a_bias_for_a_place_is_reported_and_is_no_preference(
    aws: Aws, own_clients: AwsClients, tmp_path: Path, place: str
) -> None:
    script(aws, prefers=place)
    report = judged(plan_with_judge(tmp_path), NEW, OLD, own_clients)
    assert report.position_bias
    assert report.preference
    assert report.position_bias.value == {"first": 1.0, "second": -1.0}[place]
    assert (report.favoured_place, report.order_agreement) == (place, 0.0)
    assert (report.prefers, report.preference.value) == ("tie", 0.0)


def test_answers_that_are_alike_are_ties_without_a_question_and_unanswered_records_are_left_out(
    aws: Aws, own_clients: AwsClients, key: Key, tmp_path: Path
) -> None:
    script(aws, prefers="longer")
    plan = plan_with_judge(tmp_path)
    report = judged(plan, ["same", "longer one", None], ["same", "short", "x"], own_clients)
    assert questions_asked(aws, key) == 2
    assert (report.records, report.alike, report.left_out) == (2, 1, 1)
    assert report.wins
    assert report.ties
    assert (report.wins.value, report.ties.value) == (0.5, 0.5)


def test_after_kill_9_nothing_is_asked_twice_and_the_same_answers_are_never_judged_again(
    aws: Aws, own_clients: AwsClients, key: Key, tmp_path: Path
) -> None:
    script(aws, prefers="longer", latency_seconds=0.02)
    killed = new_key(aws)
    command = [sys.executable, "-c", JUDGE_UNTIL_KILLED, aws.endpoint, str(tmp_path), *killed]
    with subprocess.Popen(command, cwd=ROOT) as process:
        deadline = time.monotonic() + 120
        while questions_asked(aws, killed) < RECORDS and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    logged = len({json.loads(line)["key"] for line in (tmp_path / "judgements.jsonl").read_text().splitlines()})
    assert RECORDS - CONCURRENCY <= logged < 2 * RECORDS

    report = judged(plan_with_judge(tmp_path), NEW, OLD, own_clients)
    assert questions_asked(aws, key) == 2 * RECORDS - logged
    assert questions_asked(aws, killed) - logged <= CONCURRENCY  # those that were on their way when it was killed
    assert (report.questions, report.failed, report.without_verdict) == (2 * RECORDS, 0, 0)

    (tmp_path / "judgements.jsonl").unlink()
    after = questions_asked(aws, key)
    assert judged(plan_with_judge(tmp_path), NEW, OLD, own_clients) == report
    assert questions_asked(aws, key) == after


def test_a_throttled_judge_is_asked_until_it_has_answered_everything(
    aws: Aws, own_clients: AwsClients, tmp_path: Path
) -> None:
    script(aws, prefers="longer")
    aws.script("fail-calls", seconds=600, every=2, operation="Converse")
    report = judged(plan_with_judge(tmp_path), NEW[:10], OLD[:10], own_clients)
    assert (report.questions, report.failed, report.without_verdict) == (20, 0, 0)


def test_questions_that_failed_are_asked_again_by_the_next_run_and_no_others(
    aws: Aws, own_clients: AwsClients, key: Key, tmp_path: Path
) -> None:
    script(aws, prefers="shorter")
    aws.script("fail-calls", calls=3, operation="Converse", code="ValidationException")
    first = judged(plan_with_judge(tmp_path), NEW[:10], OLD[:10], own_clients)
    (tmp_path / "judgements.jsonl").unlink()  # another worker, which only has what is in S3
    before = questions_asked(aws, key)
    second = judged(plan_with_judge(tmp_path), NEW[:10], OLD[:10], own_clients)
    assert (first.failed, second.failed) == (3, 0)
    assert questions_asked(aws, key) - before == 3


def test_replies_without_a_verdict_are_counted_and_prefer_nothing(
    aws: Aws, own_clients: AwsClients, tmp_path: Path
) -> None:
    script(aws, prefers="first", unreadable_every=4)
    report = judged(plan_with_judge(tmp_path), NEW, OLD, own_clients)
    assert report.unreadable == 2 * RECORDS / 4
    assert RECORDS / 4 <= report.without_verdict <= RECORDS / 2
    assert report.prefers == "tie"
    judgements = list(read_judgements(own_clients.s3, JudgePlace(_report_uri(report.judgements_uri))))
    assert sum(_is_unreadable(one) for one in judgements) == report.unreadable


def _report_uri(judgements_uri: str) -> str:
    return f"{judgements_uri.removesuffix('.records.jsonl')}.json"


def _is_unreadable(judgement: Judgement) -> bool:
    return judgement.preferred is None and "choose" in judgement.reply


def test_a_model_id_that_is_no_judge_is_refused_by_the_stand_in(aws: Aws) -> None:
    with pytest.raises(ClientError) as refused:
        aws.converse("example.other-v1:0")
    assert error_code(refused.value) == "ValidationException"


def test_the_stand_in_shows_a_judge_and_holds_its_callers_to_their_policies(aws: Aws, key: Key) -> None:
    aws.script("judge", model="us.example.profile-v1:0", routes_to=[MODEL])
    profile = aws.client("bedrock").get_inference_profile(inferenceProfileIdentifier="us.example.profile-v1:0")
    iam, user = aws.client("iam"), key.arn.rpartition("/")[2]
    allowed = {"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": profile["inferenceProfileArn"]}
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=json.dumps(policy))
    runtime = clients_with(aws.endpoint, key).bedrock_runtime
    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    with pytest.raises(ClientError, match=f"foundation-model/{MODEL}"):
        runtime.converse(modelId="us.example.profile-v1:0", messages=messages)


@pytest.mark.parametrize(("effect", "status"), [("asks", "PendingManualApproval"), ("informs", "Approved")])
def test_a_judge_that_prefers_the_champion_has_a_person_asked_only_where_its_effect_is_to_ask(
    runs: Runs, aws: Aws, effect: str, status: str
) -> None:
    runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)
    plan = runs.plan(**EQUAL_IS_ENOUGH, judge={"model": MODEL, "effect": effect})
    evaluation = _other_words(runs, plan)
    script(aws, prefers="shorter")  # "Lima" rather than "Lima."
    decision = decide_again(plan, evaluation, runs.clients)
    assert decision.status == status
    [said] = [one for one in decision.findings if "the judge" in one.reason]
    assert said.effect == effect
    assert said.reason.startswith(f"the judge {MODEL} prefers champion version 1: 0 won, 100 lost, 0 tied, wins minus")

    done = runs.decided(plan, finished) | {
        "evaluate_model": evaluation.model_dump(mode="json"),
        "decide_promotion": decision.model_dump(mode="json"),
    }
    page = runs.page(plan, runs.registered(plan, done))
    assert "<h2>Judge</h2>" in page
    assert f"<dd>{MODEL}</dd>" in page
    assert "position bias" in page
    request = approval_request(plan, decision, evaluation, 2, "https://report").body.replace("\\", "")
    assert f"the judge {MODEL} prefers champion version 1" in request


def test_a_judge_that_prefers_the_candidate_does_not_promote_what_the_scores_refuse(runs: Runs, aws: Aws) -> None:
    runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)
    plan = runs.plan(**EQUAL_IS_ENOUGH, judge={"model": MODEL, "effect": "asks"})
    evaluation = runs.evaluated(plan, early)
    script(aws, prefers="longer")  # "Quito" rather than "Lima"
    decision = decide_again(plan, evaluation, runs.clients)
    assert decision.status == "Rejected"
    [said] = [one for one in decision.findings if "the judge" in one.reason]
    assert (said.effect, "prefers this version" in said.reason) == ("informs", True)


def test_without_a_champion_there_is_nothing_to_judge(runs: Runs) -> None:
    plan = runs.plan(judge={"model": MODEL})
    nothing = ChampionResult(champion=None, summary="there is no champion yet")
    found = judge_answers(plan, runs.evaluated(plan, finished), nothing, runs.clients)
    assert found.suites == ()
    assert "there is no champion yet" in found.summary


def _other_words(runs: Runs, plan: ImportPlan) -> EvaluationResult:
    """Answers that are as right as the champion's, with a full stop."""
    results = answers(finished, 0.2, dict.fromkeys(range(120), "Lima."))
    return store_answers(plan, "words", results, runs.clients)


def test_the_tasks_of_a_run_decide_with_a_judge_and_with_one_that_had_nothing_to_compare(
    aws: Aws, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "aws", "login": "test", "password": "test"}
    connection["extra"] = json.dumps({"region_name": REGION, "endpoint_url": aws.endpoint})
    monkeypatch.setenv("AIRFLOW_CONN_AWS_JUDGING", json.dumps(connection))
    given = {**EQUAL_IS_ENOUGH, "judge": {"model": MODEL, "effect": "asks"}}
    plan = runs.plan(**given).model_copy(update={"aws_conn_id": "aws_judging"})
    script(aws, prefers="shorter")
    dag = build_import_dag(f"import_{runs.group}", plan.config)
    xcom = {"preflight": plan, "evaluate_model": _other_words(runs, plan)}
    first = {name: value.model_dump(mode="json") for name, value in xcom.items()}

    def run_task(name: str, done: dict[str, Any]) -> Any:
        task: Any = dag.get_task(name)
        ti = SimpleNamespace(xcom_pull=lambda task_ids: done.get(task_ids), try_number=1, max_tries=2)
        return task.python_callable(ti=ti, dag=dag)

    first["evaluate_champion"] = run_task("evaluate_champion", first)
    with pytest.raises(AirflowSkipException):
        run_task("judge_answers", first)
    assert run_task("decide_promotion", first)["status"] == "Approved"

    runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)
    second = first | {"evaluate_champion": run_task("evaluate_champion", first)}
    second["judge_answers"] = run_task("judge_answers", second)
    decision = run_task("decide_promotion", second)
    assert decision["status"] == "PendingManualApproval"
    assert [one["suite"] for one in decision["judged"]] == ["evaluation"]


def _unaskable(aws: Aws, code: str) -> None:
    script(aws, prefers="tie")
    aws.script("fail-calls", seconds=600, operation="Converse", code=code)


def test_a_judge_that_informs_and_cannot_be_asked_is_a_finding_and_loses_no_promotion(runs: Runs, aws: Aws) -> None:
    runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)
    _unaskable(aws, "AccessDeniedException")
    plan = runs.plan(**EQUAL_IS_ENOUGH, judge={"model": MODEL, "effect": "informs"})
    decision = decide_again(plan, _other_words(runs, plan), runs.clients)
    assert decision.status == "Approved"
    [said] = [one for one in decision.findings if MODEL in one.reason]
    assert said.effect == "informs"
    assert said.reason.startswith(f"the judge {MODEL} could not judge all answers: ")
    assert "AccessDeniedException" in said.reason


def test_a_judge_that_asks_and_cannot_be_asked_fails_the_task(runs: Runs, aws: Aws) -> None:
    runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)
    _unaskable(aws, "AccessDeniedException")
    plan = runs.plan(**EQUAL_IS_ENOUGH, judge={"model": MODEL, "effect": "asks"})
    with pytest.raises(ModelInvocationError):
        decide_again(plan, _other_words(runs, plan), runs.clients)


def test_a_fault_of_a_judge_that_informs_is_retried_as_long_as_there_are_tries(runs: Runs, aws: Aws) -> None:
    runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)
    _unaskable(aws, "ExpiredTokenException")
    plan = runs.plan(**EQUAL_IS_ENOUGH, judge={"model": MODEL, "effect": "informs"})
    evaluation = _other_words(runs, plan)
    champion = measure_champion(plan, evaluation, runs.clients)
    with pytest.raises(ModelImportError) as raised:
        judge_answers(plan, evaluation, champion, runs.clients)
    assert transient_cause(raised.value)
    assert judge_answers(plan, evaluation, champion, runs.clients, last_try=True).problem
