"""A small account: one model with a base version, a champion and two others, runs with times, and failures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from include.aws.clients import AwsClients
from include.demo.environment import deploy_stacks
from include.evaluation.build_report import MeasuredOn, build_report
from include.evaluation.results import PromptSettings
from include.evaluation.storage import EvaluationPlace, store
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import ApprovalStatus, Candidate
from include.steps.results import FailureResult
from tests.support.airflow_history import PastTask, add_run
from tests.support.bedrock_stand_in import Aws
from tests.support.record_results import record_result
from tests.support.tiny_mistral import save_tiny_mistral

MODEL = "rivers"
CATEGORIES = ("Africa", "Asia", "Europe")
#: By version: status, adapter, reason, and one of how many answers is wrong in each category (1: all of them).
VERSIONS: dict[int, tuple[ApprovalStatus, str, str, tuple[int, int, int]]] = {
    1: ("Rejected", "", "promotion is set to never", (1, 1, 2)),
    2: ("Rejected", "s3://fine-tunes/rivers/1", "f1 0.611 is below the threshold 0.800", (2, 2, 4)),
    3: ("Approved", "s3://fine-tunes/rivers/2", "f1 0.850 reaches 0.800; there is no champion yet", (6, 8, 7)),
    4: (
        "Rejected", "s3://fine-tunes/rivers/3",
        "f1 in category 'Africa' differs from the champion by -0.350 [-0.550, -0.150], beyond the margin of 0.100",
        (2, 20, 10),
    ),
}  # fmt: skip
COST = "1 Custom Model Unit v1.0: 0.2859 USD per copy and 5 minutes of use + 1.95 USD storage a month"
FAILURE = FailureResult(
    model_name=MODEL,
    reason="ModelImportJobFailedError: The model import job failed: "
    "arn:aws:bedrock:us-east-1:123456789012:model-import-job/k2v9d0q4mz1t\n"
    "Bedrock says: Amazon Bedrock does not support the architecture (bert) of the model.\n"
    "What to do: Bedrock reads model_type in config.json; import a model of an architecture on its list.",
    next_step="Correct the cause, then clear create_import_job: it starts another job. Clearing a task that only waits "
    "finds the same failed job again. If the model's files were wrong, trigger a new run.",
)
TOOK = {
    "preflight": (0, 14), "merge_lora": (16, 130), "validate_checkpoint": (131, 170), "upload_checkpoint": (172, 380),
    "create_import_job": (382, 386), "wait_for_import": (387, 1180), "warm_up": (1182, 1270),
    "evaluate_model": (1272, 1440), "evaluate_champion": (1441, 1446), "register_version": (1450, 1456),
}  # fmt: skip


def fill(clients: AwsClients, folder: Path) -> None:
    """Fill the stand-in and Airflow's database."""
    stack = deploy_stacks(clients.bedrock.meta.endpoint_url)
    aws = Aws(clients.bedrock.meta.endpoint_url, stack["role_arn"])
    for path in sorted(save_tiny_mistral(folder).iterdir()):
        clients.s3.upload_file(str(path), stack["bucket"], f"{stack['prefix']}/shared/{path.name}")
    for number in VERSIONS:
        _register(clients, aws, stack, number)
    add_run("import_model", "rivers-4", "success", {
        task_id: PastTask("success", began, ended) for task_id, (began, ended) in TOOK.items()
    }, conf={"model_name": MODEL}, age=timedelta(hours=5))  # fmt: skip
    failed = {"wait_for_import": PastTask("failed", 400, 900, FAILURE)}
    add_run("import_model", "rivers-5", "failed", failed, conf={"model_name": MODEL})


def _register(clients: AwsClients, aws: Aws, stack: Mapping[str, str], number: int) -> None:
    status, adapter, reason, wrong = VERSIONS[number]
    fingerprint = hashlib.sha256(f"{MODEL}/{number}".encode()).hexdigest()
    name = f"{MODEL}-{fingerprint[:12]}"
    tags = [{"key": "model_name", "value": MODEL}, {"key": "fingerprint", "value": fingerprint}]
    arn = f"arn:aws:bedrock:us-east-1:123456789012:imported-model/{fingerprint[:12]}"
    if number > 2:  # retention deleted the others
        uri = f"s3://{stack['bucket']}/{stack['prefix']}/shared/"
        arn = aws.import_model(uri, name, jobTags=tags, importedModelTags=tags)
    place = EvaluationPlace(stack["bucket"], f"models/{MODEL}/{fingerprint[:12]}/evaluations/one")
    report = _measure(clients.s3, place, arn, wrong)
    metadata: dict[str, Any] = {
        "dag_id": "import_model", "dag_run_id": f"rivers-{number}", "imported_model_name": name,
        "base": "s3://models/mistral-7b", "adapter": adapter, "licence": "Apache-2.0", "architecture": "mistral",
        "cost": COST, "dataset": "s3://questions/rivers.jsonl", "body_format": "OpenAICompletion",
    }  # fmt: skip
    f1 = report.metrics["f1"]
    SageMakerRegistry(clients.sagemaker).register(Candidate(
        group=MODEL, description="", fingerprint=fingerprint, imported_model_arn=arn, scores=report.scores,
        intervals={"f1": (f1.low, f1.high)}, dataset_digest="d", report_uri=place.report_uri, status=status,
        approval_description=reason, provenance=metadata,
    ))  # fmt: skip


def _measure(s3: Any, place: EvaluationPlace, arn: str, wrong: tuple[int, int, int]) -> Any:
    results = [
        record_result(index, "Quito" if index // 3 % wrong[index % 3] == 0 else "Lima", category=CATEGORIES[index % 3])
        for index in range(120)
    ]
    prompt = PromptSettings(body_format="OpenAICompletion", prompt_template="{question}", max_tokens=16)
    on = MeasuredOn(arn, "s3://questions/rivers.jsonl", "d", 120, 0, "c", prompt, 8, place.records_uri)
    report = build_report(on, results, 60.0)
    store(s3, place, report, results)
    return report
