"""Fill the stand-in with many models of many versions, as hundreds of runs would leave them."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from include.config.names import SHORT_FINGERPRINT_LENGTH
from include.demo.environment import aws_client, deploy_stacks
from include.registry.groups import GROUP_DESCRIPTION
from include.registry.sagemaker import metadata_value
from tests.support.bedrock_stand_in import Aws
from tests.support.tiny_mistral import save_tiny_mistral

ACCOUNT, REGION = "123456789012", "us-east-1"
DATASET_DIGESTS = ("d" * 64, "e" * 64)


def model_name(number: int) -> str:
    return f"model-{number:02}"


def fingerprint(name: str, version: int) -> str:
    return hashlib.sha256(f"{name}/{version}".encode()).hexdigest()


def score(number: int, version: int, versions: int) -> float:
    """A score that grows with the versions and wavers."""
    wavering = int(fingerprint(model_name(number), version)[:4], 16) / 0xFFFF
    return 0.4 + 0.4 * version / versions + 0.2 * wavering


def _metadata(number: int, version: int, versions: int) -> dict[str, str]:
    """What register_version records, with the same keys."""
    name, value = model_name(number), score(number, version, versions)
    content = fingerprint(name, version)
    scores = dict.fromkeys(("exact_match", "f1", "precision", "quasi_exact_match", "recall"), f"{value:.6f}")
    return {
        **{f"score.{metric}": each for metric, each in scores.items()},
        "fingerprint": content,
        "imported_model_arn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:imported-model/{content[:12]}",
        "imported_model_name": f"{name}-{content[:SHORT_FINGERPRINT_LENGTH]}",
        "dataset_digest": DATASET_DIGESTS[version > versions // 2],
        "dag_id": "import_model",
        "dag_run_id": f"manual__2026-01-{version % 28 + 1:02}",
        "model_name": name,
        "s3_uri": f"s3://model-import/models/{name}/{content[:12]}/checkpoint/",
        "base": "s3://models/base/mistral-7b",
        "adapter": f"sagemaker:training-job/{name}-{version}",
        "licence": "Apache-2.0",
        "architecture": "mistral",
        "cost": "1 Custom Model Unit(s) v1.0: price unknown",
    }


def register_versions(endpoint: str, models: int, versions: int) -> None:
    """Register that many versions of each model; every tenth is approved, the newest is rejected."""
    sagemaker = aws_client(endpoint, "sagemaker")
    for number in range(models):
        name = model_name(number)
        sagemaker.create_model_package_group(
            ModelPackageGroupName=name, ModelPackageGroupDescription=GROUP_DESCRIPTION.format(name)
        )

    def register(number: int) -> None:
        for version in range(1, versions + 1):
            sagemaker.create_model_package(
                ModelPackageGroupName=model_name(number),
                ModelApprovalStatus="Approved" if version % 10 == 5 else "Rejected",
                CustomerMetadataProperties={
                    key: metadata_value(value) for key, value in _metadata(number, version, versions).items()
                },
            )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(register, range(models)))


def import_models(endpoint: str, folder: Path, models: int, versions: int) -> None:
    """Import the champion and the newest two versions of each model, of one small checkpoint."""
    stack = deploy_stacks(endpoint)
    aws = Aws(endpoint, stack["role_arn"])
    checkpoint = save_tiny_mistral(folder)
    s3, prefix = aws_client(endpoint, "s3"), f"{stack['prefix']}/shared"
    for path in sorted(checkpoint.iterdir()):
        s3.upload_file(str(path), stack["bucket"], f"{prefix}/{path.name}")
    uri = f"s3://{stack['bucket']}/{prefix}/"
    for number in range(models):
        for version in (versions - 5, versions - 1, versions):
            content = fingerprint(model_name(number), version)
            values: dict[str, Any] = {"model_name": model_name(number), "fingerprint": content}
            tags = [{"key": key, "value": value} for key, value in values.items()]
            name = f"{model_name(number)}-{content[:SHORT_FINGERPRINT_LENGTH]}"
            aws.import_model(uri, name, jobTags=tags, importedModelTags=tags)
