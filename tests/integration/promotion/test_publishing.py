"""The champion is published: applications are pointed to it, and follow each change."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.aws.clients import AwsClients
from include.consumer import Champion
from include.publishing.errors import ChampionDoesNotAnswerError, PointerUnreadableError, PublisherUnknownError
from include.publishing.pointer import parameter_name, read_pointer
from model_import_dag.factory import build_import_dag
from tests.support import publishing
from tests.support.bedrock_stand_in import CREDENTIALS, REGION, Aws
from tests.support.promotion_runs import Runs, finished
from tests.support.switching import OPEN, promoted, published, session, tag


def test_an_application_follows_promotion_and_roll_back(aws: Aws, runs: Runs, arns: tuple[str, str]) -> None:
    champion = Champion(runs.group, believed_seconds=0, session=session(aws))
    promoted(runs, arns[0])
    assert published(runs, "run 1").changed
    assert champion.pointer()["imported_model_arn"] == arns[0]
    assert champion.ask({"prompt": "Hello", "max_tokens": 1})["choices"]
    promoted(runs, arns[1])
    published(runs, "run 2")
    assert champion.pointer()["imported_model_arn"] == arns[1]
    runs.roll_back(1)
    published(runs, "roll back")
    assert champion.pointer()["imported_model_arn"] == arns[0]
    assert (champion.pointer()["body_format"], champion.pointer()["converse"]) == ("OpenAICompletion", True)


def test_a_run_that_changes_no_champion_writes_nothing_and_tells_nobody(runs: Runs, arns: tuple[str, str]) -> None:
    promoted(runs, arns[0])
    publishing.NOTIFIED.clear()
    own = "tests.support.publishing:remember"
    assert published(runs, "run 1", own).changed
    before = read_pointer(runs.clients.ssm, runs.group)
    assert not published(runs, "run 2", own).changed
    assert read_pointer(runs.clients.ssm, runs.group) == before
    assert [before] == publishing.NOTIFIED


def test_a_publisher_that_failed_is_told_at_the_next_attempt(runs: Runs, arns: tuple[str, str]) -> None:
    promoted(runs, arns[0])
    publishing.NOTIFIED.clear()
    publishers = ("tests.support.publishing:fail_once", "tests.support.publishing:remember")
    with pytest.raises(ConnectionError):
        published(runs, "run 1", *publishers)
    assert not published(runs, "run 1", *publishers).changed
    assert [one.version for one in publishing.NOTIFIED] == [1, 1]


def test_a_late_task_of_an_older_run_publishes_the_champion_of_now(runs: Runs, arns: tuple[str, str]) -> None:
    promoted(runs, arns[0])
    promoted(runs, arns[1])
    published(runs, "run 2")
    assert not published(runs, "run 1, cleared").changed
    pointer = read_pointer(runs.clients.ssm, runs.group)
    assert pointer
    assert pointer.version == 2


def test_the_task_of_a_run_publishes_with_the_runs_connection(
    aws: Aws, runs: Runs, arns: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    login, password = CREDENTIALS.values()
    extra = {"region_name": REGION, "endpoint_url": aws.endpoint}
    connection = {"conn_type": "aws", "login": login, "password": password, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_PUBLISHING", json.dumps(connection))
    plan = runs.plan(**OPEN, publish={"publishers": []}).model_copy(update={"aws_conn_id": "aws_publishing"})
    runs.run(plan, finished, arns[0])
    ti = SimpleNamespace(xcom_pull=lambda task_ids: plan.model_dump(mode="json"))
    dag = build_import_dag(f"import_{runs.group}", plan.config)
    task: Any = dag.get_task("publish_champion")
    done = task.python_callable(ti=ti, dag=dag, run_id="one")
    assert (done["version"], done["changed"]) == (1, True)
    pointer = read_pointer(runs.clients.ssm, runs.group)
    assert pointer
    assert pointer.request == f"import_{runs.group}/one"


class Runtime:
    """A runtime client whose calls fail from the given one on, as a model does that is broken behind its endpoint."""

    def __init__(self, runtime: Any, working_calls: int) -> None:
        self._runtime, self._left = runtime, working_calls

    def invoke_model(self, **request: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            answer: Any = {
                "Error": {"Code": "AccessDeniedException", "Message": "no"},
                "ResponseMetadata": {"HTTPStatusCode": 403},
            }
            raise ClientError(answer, "InvokeModel")
        return self._runtime.invoke_model(**request)


def failing_after(runs: Runs, calls: int) -> AwsClients:
    broken = Runtime(runs.clients.bedrock_runtime, calls)
    services = {"bedrock-runtime": broken, "service-quotas": runs.clients.service_quotas}
    return AwsClients(lambda name: services.get(name) or getattr(runs.clients, name))


@pytest.mark.parametrize("working_calls", [0, 1])
def test_applications_stay_with_the_former_champion_when_the_new_one_does_not_answer(
    working_calls: int, runs: Runs, arns: tuple[str, str]
) -> None:
    promoted(runs, arns[0])
    published(runs, "run 1")
    before = read_pointer(runs.clients.ssm, runs.group)
    promoted(runs, arns[1])
    with pytest.raises(ChampionDoesNotAnswerError, match=r"(?s)AccessDenied.*roll_back_model"):
        published(runs, "run 2", clients=failing_after(runs, working_calls))
    assert read_pointer(runs.clients.ssm, runs.group) == before
    assert tag(runs, arns[0]) == "now"
    assert published(runs, "run 2").changed  # once the cause is gone, a retry publishes


def test_a_first_champion_that_does_not_answer_by_the_parameter_is_not_left_in_it(
    runs: Runs, arns: tuple[str, str]
) -> None:
    promoted(runs, arns[0])
    with pytest.raises(ChampionDoesNotAnswerError):
        published(runs, "run 1", clients=failing_after(runs, 1))
    assert read_pointer(runs.clients.ssm, runs.group) is None


def test_the_model_that_applications_called_before_stays_for_the_grace_period(
    runs: Runs, arns: tuple[str, str]
) -> None:
    promoted(runs, arns[0])
    published(runs, "run 1")
    promoted(runs, arns[1])
    published(runs, "run 2")
    assert tag(runs, arns[1]) == "now"
    until = datetime.fromisoformat(tag(runs, arns[0]))
    assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(hours=24)


def test_the_event_reaches_a_rule_of_the_default_bus(aws: Aws, runs: Runs, arns: tuple[str, str]) -> None:
    sqs, events = aws.client("sqs"), aws.client("events")
    queue = sqs.create_queue(QueueName=runs.group)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["model-import"], "detail": {"model_name": [runs.group]}}
    events.put_rule(Name=runs.group, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=runs.group, Targets=[{"Id": "queue", "Arn": arn}])
    promoted(runs, arns[0])
    published(runs, "run 1", "event")
    [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    event = json.loads(message["Body"])
    assert event["detail-type"] == "Champion changed"
    assert event["detail"]["imported_model_arn"] == arns[0]


def test_a_parameter_of_other_software_is_refused_and_left_as_it_is(runs: Runs, arns: tuple[str, str]) -> None:
    promoted(runs, arns[0])
    name = parameter_name(runs.group)
    runs.clients.ssm.put_parameter(Name=name, Value="ours", Type="String")
    with pytest.raises(PointerUnreadableError, match=r"(?s)JSON that this project wrote"):
        published(runs, "run 1")
    assert runs.clients.ssm.get_parameter(Name=name)["Parameter"]["Value"] == "ours"


def test_a_publisher_that_cannot_be_loaded_is_named_before_anything_is_written(
    runs: Runs, arns: tuple[str, str]
) -> None:
    promoted(runs, arns[0])
    with pytest.raises(PublisherUnknownError, match=r"(?s)tests.support.publishing:nothing.*AttributeError"):
        published(runs, "run 1", "tests.support.publishing:nothing")
    assert read_pointer(runs.clients.ssm, runs.group) is None
