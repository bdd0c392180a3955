"""Run one evaluation job in its own thread: read the data set, score each answer by script, write what Bedrock writes.

Formats: https://docs.aws.amazon.com/bedrock/latest/userguide/model-evaluation-prompt-datasets-judge.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-evaluation-report-s3.html.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Thread
from typing import Any, Literal

from botocore.exceptions import ClientError

from include.local_aws.access.role_session import s3_client_of
from include.local_aws.bedrock.import_failures import ImportFailedError
from include.local_aws.bedrock.judges import arns_of
from include.local_aws.bedrock.scope import Scope
from include.local_aws.bedrock.scripts import EvaluationScores, Judge
from include.local_aws.bedrock.service import Bedrock
from include.local_aws.bedrock.service_role import RolePermissions
from include.local_aws.bedrock.state import EvaluationJob, RegionState, new_id, now

logger = logging.getLogger(__name__)
MOST_PROMPTS = 1000
POLL_SECONDS = 0.02
PERMISSION_CHECK = "amazon-bedrock-evaluations-permission-check"


class DataSetInvalidError(Exception):
    """The data set is not one of answers that its model gave."""


def start_evaluation(bedrock: Bedrock, scope: Scope, job: EvaluationJob, judge: Judge) -> None:
    """Run the job in the background."""
    failure = bedrock.faults.take_evaluation_failure()
    args = (bedrock, scope, bedrock.regions.of(scope), job, judge, failure)
    Thread(target=_run, args=args, name=f"evaluation-{job.name}", daemon=True).start()


def _run(
    bedrock: Bedrock, scope: Scope, region: RegionState, job: EvaluationJob, judge: Judge, failure: tuple[str, ...]
) -> None:
    end = time.monotonic() + bedrock.settings.evaluation_seconds
    while time.monotonic() < end or not bedrock.faults.evaluations_released.is_set():
        if region.evaluations[job.arn].status == "Stopping":
            _finish(region, job, "Stopped", ())
            return
        time.sleep(POLL_SECONDS)
    try:
        if not failure:
            _evaluate(bedrock, scope, job, judge)
    except (ImportFailedError, ClientError, DataSetInvalidError) as error:
        failure = (str(error),)
    except Exception as error:
        logger.exception("The evaluation job %s failed inside the stand-in", job.name)
        failure = (f"Internal error of the stand-in for AWS: {error!r}",)
    _finish(region, job, "Failed" if failure else "Completed", failure)


def _finish(
    region: RegionState, job: EvaluationJob, status: Literal["Completed", "Failed", "Stopped"], failure: tuple[str, ...]
) -> None:
    with region.lock:
        region.evaluations[job.arn] = replace(job, status=status, failure_messages=failure, modified=now())


def _evaluate(bedrock: Bedrock, scope: Scope, job: EvaluationJob, judge: Judge) -> None:
    role = RolePermissions(job.request["roleArn"])
    models = arns_of(judge, scope)
    for arn in models:
        role.require("bedrock:InvokeModel", arn, {"bedrock:InferenceProfileArn": models[0]} if judge.routes_to else {})
    s3 = s3_client_of(role.role_arn, scope.region, "BedrockEvaluation", bedrock.endpoint_url)
    bucket, prefix = _split(job.request["outputDataConfig"]["s3Uri"])
    place = f"{prefix.rstrip('/')}/{job.name}/{job.name}"
    s3.put_object(Bucket=bucket, Key=f"{place}/{PERMISSION_CHECK}", Body=b"")
    for data_set in job.data_sets:
        records = _read(s3, data_set["dataset"], job.source)
        lines = _scored(records, data_set["metricNames"], job, bedrock.faults.evaluation_scores)
        name = f"models/{job.source}/taskTypes/{data_set['taskType']}/datasets/{data_set['dataset']['name']}"
        key = f"{place}/{new_id()}/{name}/{uuid.uuid4()}_output.jsonl"
        s3.put_object(Bucket=bucket, Key=key, Body="".join(f"{json.dumps(line)}\n" for line in lines).encode())


def _read(s3: Any, data_set: Mapping[str, Any], source: str) -> list[dict[str, Any]]:
    uri = data_set["datasetLocation"]["s3Uri"]
    bucket, key = _split(uri)
    lines = s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()
    if not 1 <= len(lines) <= MOST_PROMPTS:
        raise DataSetInvalidError(f"{uri} has {len(lines)} prompts; a job takes 1 to {MOST_PROMPTS}.")
    return [_record(line, f"Line {number} of {uri}", source) for number, line in enumerate(lines, start=1)]


def _record(line: bytes, where: str, source: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
        [answer] = record["modelResponses"]
        texts = (record["prompt"], answer["response"], record.get("referenceResponse", ""), record.get("category", ""))
    except (ValueError, KeyError, TypeError) as error:
        raise DataSetInvalidError(f"{where} is not a prompt with the response of one model: {error!r}.") from error
    if not all(isinstance(text, str) for text in texts) or not record["prompt"]:
        raise DataSetInvalidError(f"{where} has a prompt or a response that is no text.")
    if answer.get("modelIdentifier") != source:
        raise DataSetInvalidError(f"{where} has the modelIdentifier {answer.get('modelIdentifier')}, not {source}.")
    return dict(record)


def _scored(
    records: Sequence[dict[str, Any]], metrics: Sequence[str], job: EvaluationJob, scores: EvaluationScores
) -> Iterator[dict[str, Any]]:
    details = [{"modelIdentifier": job.evaluator, "explanation": "A test said so."}]
    for record in records:
        results = [(metric, scores.score(record["prompt"], metric)) for metric in metrics]
        found = [{"metricName": name, "result": value, "evaluatorDetails": details} for name, value in results]
        yield {
            "automatedEvaluationResult": {"scores": found},
            "inputRecord": record,
            "modelResponses": record["modelResponses"],
        }


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
