"""One stand-in for all tests here; a base model and an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.account import Account
from tests.support.bedrock_stand_in import BUCKET, Aws
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.tiny_mistral import save_tiny_mistral


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    with LocalAwsProcess(("--import-seconds", "0.1", "--max-running-jobs", "9")) as process:
        yield process.endpoint_url


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_mistral(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from peft import LoraConfig, get_peft_model
    from transformers import MistralForCausalLM

    folder = tmp_path_factory.mktemp("adapter")
    model = MistralForCausalLM.from_pretrained(base)
    get_peft_model(
        model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def account(endpoint: str, tmp_path: Path, base: Path, adapter: Path) -> Account:
    return Account(endpoint, tmp_path, base, adapter).create()


@pytest.fixture
def aws(endpoint: str) -> Iterator[Aws]:
    """Bedrock beside the account under test; its models are gone afterwards."""
    aws = Aws(endpoint)
    bedrock, s3 = aws.client("bedrock"), aws.client("s3")
    if BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=BUCKET)
        aws.create_role("import")
    yield aws
    aws.script("clear-faults")
    for job in bedrock.list_model_import_jobs(statusEquals="InProgress")["modelImportJobSummaries"]:
        aws.finished_job(job["jobArn"])
    for model in bedrock.list_imported_models()["modelSummaries"]:
        bedrock.delete_imported_model(modelIdentifier=model["modelArn"])
