"""Two models' stored answers, a judge that compares them on the stand-in, and how often it was asked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import requests
from botocore.config import Config

from include.aws.clients import AwsClients
from include.evaluation.results import RecordResult
from include.evaluation.storage import EvaluationPlace, store
from include.judging.results import JudgeReport
from include.judging.storage import read_judge_report
from include.run.plan import ImportPlan
from include.steps.judge import judge_answers
from include.steps.results import ChampionResult, EvaluationResult
from tests.support.bedrock_stand_in import BUCKET, REGION, Aws
from tests.support.local_aws_process import OWN_HEADERS
from tests.support.pages import measured
from tests.support.plans import import_plan
from tests.support.record_results import record_result

Answers = Sequence[str | None]
MODEL = "example.judge-v1:0"
CONCURRENCY = 4
NEW: Answers = [f"new {n}" for n in range(40)]
OLD: Answers = [f"old {n}" for n in range(40)]
RUNTIME = Config(retries={"total_max_attempts": 1}, max_pool_connections=16)


class Key(NamedTuple):
    """A user of IAM who may do everything, and whose calls the stand-in counts."""

    arn: str
    access_key_id: str
    secret: str


def new_key(aws: Aws) -> Key:
    iam, name = aws.client("iam"), f"judges-{uuid.uuid4().hex[:8]}"
    arn = str(iam.create_user(UserName=name)["User"]["Arn"])
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Key(arn, key["AccessKeyId"], key["SecretAccessKey"])


def clients_with(endpoint: str, key: Key) -> AwsClients:
    def connect(service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=endpoint,
            config=RUNTIME,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret,
        )

    return AwsClients(connect)


def questions_asked(aws: Aws, key: Key, resource: str = f"arn:aws:bedrock:{REGION}::foundation-model/{MODEL}") -> int:
    """How many questions the stand-in got for the judge, answered or not, by its own count."""
    query = {"caller": key.arn}
    answer = requests.get(f"{aws.endpoint}/_local_aws/access", params=query, headers=OWN_HEADERS, timeout=10)
    asked = ("bedrock:InvokeModel", resource)
    return sum((each["action"], each["resource"]) == asked for each in answer.json()["decisions"])


def plan_with_judge(folder: Path, **judge: Any) -> ImportPlan:
    """A plan with a place of its own in S3, whose judge is asked ``CONCURRENCY`` questions at a time."""
    values = {
        "model_name": "m",
        "base": "b",
        "evaluation": {"dataset": "d", "thresholds": {"f1": 0.5}, "concurrency": CONCURRENCY},
        "judge": {"model": MODEL} | judge,
    }
    return import_plan(values, "0" * 64, f"{BUCKET}/{folder.name}", folder)


def store_answers(plan: ImportPlan, name: str, results: list[RecordResult], clients: AwsClients) -> EvaluationResult:
    """The evaluation of a model with these results."""
    place = EvaluationPlace(plan.bucket, f"{plan.evaluation_prefix}/{name}")
    report = measured("", results).report.model_copy(update={"records_uri": place.records_uri})
    store(clients.s3, place, report, results)
    return EvaluationResult.of(report, place.report_uri)


def results_of(answers: Answers) -> list[RecordResult]:
    """The results of a model that gave these answers; None stands for none."""
    return [
        record_result(index, answer, status="error" if answer is None else "answered")
        for index, answer in enumerate(answers)
    ]


def judged(plan: ImportPlan, candidate: Answers, champion: Answers, clients: AwsClients) -> JudgeReport:
    """What the judge says about these answers of the candidate and of champion version 3."""
    new = store_answers(plan, "new", results_of(candidate), clients)
    old = store_answers(plan, "old", results_of(champion), clients)
    found = judge_answers(plan, new, ChampionResult(champion=3, summary="", report_uri=old.report_uri), clients)
    report = read_judge_report(clients.s3, found.suites[0].report_uri)
    assert report
    return report
