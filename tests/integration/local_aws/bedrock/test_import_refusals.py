"""What fails an import, and the failureMessage it leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from safetensors.torch import load_file, save_file

from tests.support.bedrock_stand_in import ACCOUNT, BUCKET, GET, LIST, TRUST, Aws, error_code
from tests.support.tiny_mistral import change_json

NUMBERS = count()
WEIGHTS, CONFIG = "model.safetensors", "config.json"


@pytest.fixture(autouse=True)
def _fresh(aws: Aws) -> None:
    aws.script("reset")


def outcome(aws: Aws, s3_uri: str, **more: Any) -> dict[str, Any]:
    return aws.finished_job(aws.create_job(s3_uri, f"job-{next(NUMBERS)}", **more))


def failure_message(aws: Aws, s3_uri: str, **more: Any) -> str:
    job = outcome(aws, s3_uri, **more)
    assert job["status"] == "Failed"
    assert "importedModelArn" not in job
    assert aws.client("bedrock").list_imported_models()["modelSummaries"] == []
    return str(job["failureMessage"])


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def with_config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: change_json(folder / CONFIG, **changes)


def with_tokenizer_config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: change_json(folder / "tokenizer_config.json", **changes)


def with_tensors(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    return apply


def adapter_only(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"")


def stale_index(folder: Path) -> None:
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))


def truncated(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def half_head(tensors: dict[str, Any]) -> None:
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:50].clone()


def archived(folder: Path) -> None:
    (folder / "model.tar.gz").write_bytes(b"x")


def pickled(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (without(CONFIG), ["could not find the expected file config.json"]),
        (without("tokenizer_config.json"), ["could not find the expected file tokenizer_config.json"]),
        (without("tokenizer.json"), ["tokenizer.json or tokenizer.model"]),
        (without(WEIGHTS), ["Safetensors"]),
        (pickled, ["Safetensors"]),
        (adapter_only, ["config.json", "adapter"]),
        (archived, ["model.tar.gz", "not supported"]),
        (stale_index, ["index", "model-00001-of-00002.safetensors"]),
        (truncated, [WEIGHTS, "cannot be read"]),
        (with_config(model_type="gemma2"), ["does not support the architecture (gemma2)", "mistral"]),
        (with_config(architectures=["MistralForSequenceClassification"]), ["architecture", "SequenceClassification"]),
        (with_config(quantization_config={"quant_method": "gptq", "bits": 4}), ["quantization_config", "gptq"]),
        (lambda folder: (folder / CONFIG).write_text("{"), ["config.json is invalid"]),
        (with_config(num_hidden_layers=3), ["missing tensors", "model.layers.2"]),
        (with_config(num_hidden_layers=1), ["unexpected tensors", "model.layers.1"]),
        (with_config(vocab_size=50), ["size mismatch for", "embed_tokens"]),
        (with_tensors(lambda tensors: tensors.pop("lm_head.weight")), ["missing tensors", "lm_head.weight"]),
        (with_tensors(half_head), ["size mismatch for", "lm_head.weight"]),
        (with_tokenizer_config(tokenizer_class="TokenizersBackend"), ["tokenizer", "TokenizersBackend"]),
        (with_tokenizer_config(tokenizer_class="GemmaTokenizerFast"), ["GemmaTokenizerFast", "supported classes"]),
        (with_tokenizer_config(extra_special_tokens=["<a>"]), ["tokenizer"]),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), ["tokenizer"]),
    ],
)
def test_a_checkpoint_that_bedrock_refuses_fails_the_job_with_the_reason(
    aws: Aws, checkpoint: Path, tmp_path: Path, damage: Callable[[Path], Any], words: list[str]
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, folder)
    damage(folder)
    message = failure_message(aws, aws.upload(folder, f"damaged-{next(NUMBERS)}"))
    assert len(message) <= 2048
    assert [word for word in words if word not in message] == [], message


def test_more_context_than_documented_is_accepted(aws: Aws, checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, folder)
    change_json(folder / CONFIG, max_position_embeddings=262_144)
    assert outcome(aws, aws.upload(folder, "long-context"))["status"] == "Completed"


def test_a_model_without_a_chat_template_is_imported_and_does_not_converse(
    aws: Aws, checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, folder)
    change_json(folder / "tokenizer_config.json", chat_template=None)
    arn = outcome(aws, aws.upload(folder, "no-template"))["importedModelArn"]
    assert aws.client("bedrock").get_imported_model(modelIdentifier=arn)["instructSupported"] is False


@pytest.mark.parametrize("place", ["whole", "whole/"])
def test_the_prefix_may_be_written_with_or_without_its_last_slash(aws: Aws, s3_uri: str, place: str) -> None:
    assert outcome(aws, f"s3://{BUCKET}/{place}")["status"] == "Completed"


@pytest.mark.parametrize("place", [f"{BUCKET}/nothing/", f"{BUCKET}/whole/config.json", "no-such-bucket/whole/"])
def test_a_prefix_that_holds_no_checkpoint_fails_the_job(aws: Aws, s3_uri: str, place: str) -> None:
    assert failure_message(aws, f"s3://{place}")


def test_what_lies_in_folders_below_the_prefix_plays_no_part(aws: Aws, s3_uri: str) -> None:
    aws.client("s3").put_object(Bucket=BUCKET, Key="whole/checkpoint-1/model.tar.gz", Body=b"x")
    assert outcome(aws, s3_uri)["status"] == "Completed"


@pytest.mark.parametrize(
    ("permissions", "action"),
    [
        ([], "s3:ListBucket"),
        ([GET], "s3:ListBucket"),
        ([LIST], "s3:GetObject"),
        ([LIST | {"Condition": {"StringLike": {"s3:prefix": "other/*"}}}, GET], "s3:ListBucket"),
        ([LIST, GET | {"Resource": f"arn:aws:s3:::{BUCKET}/other/*"}], "s3:GetObject"),
        ([LIST, GET | {"Condition": {"StringEquals": {"aws:ResourceAccount": "210987654321"}}}], "s3:GetObject"),
    ],
)
def test_a_role_that_may_not_read_the_prefix_fails_the_job(
    aws: Aws, s3_uri: str, permissions: list[dict[str, Any]], action: str
) -> None:
    role = aws.create_role(f"poor-{next(NUMBERS)}", permissions=permissions)
    message = failure_message(aws, s3_uri, roleArn=role)
    assert action in message
    assert role in message


def test_a_role_with_conditions_on_the_prefix_itself_is_enough(aws: Aws, s3_uri: str) -> None:
    listing = LIST | {"Condition": {"StringLike": {"s3:prefix": ["whole", "whole/*"]}}}
    getting = GET | {"Resource": f"arn:aws:s3:::{BUCKET}/whole/*"}
    role = aws.create_role("narrow", permissions=[listing, getting])
    assert outcome(aws, s3_uri, roleArn=role)["status"] == "Completed"


def test_encrypted_objects_need_the_permission_to_decrypt(aws: Aws, checkpoint: Path) -> None:
    key, s3 = aws.client("kms").create_key()["KeyMetadata"]["Arn"], aws.client("s3")
    for path in checkpoint.iterdir():
        s3.put_object(
            Bucket=BUCKET,
            Key=f"secret/{path.name}",
            Body=path.read_bytes(),
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=key,
        )
    s3_uri = f"s3://{BUCKET}/secret/"
    assert "kms:Decrypt" in failure_message(aws, s3_uri)
    decrypting = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": key}
    role = aws.create_role("decrypting", permissions=[LIST, GET, decrypting])
    assert outcome(aws, s3_uri, roleArn=role)["status"] == "Completed"


def test_a_bucket_policy_that_denies_the_role_fails_the_job(aws: Aws, s3_uri: str) -> None:
    s3, objects = aws.client("s3"), f"arn:aws:s3:::{BUCKET}/whole/*"
    deny = {"Effect": "Deny", "Principal": {"AWS": aws.role_arn}, "Action": "s3:GetObject", "Resource": objects}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    try:
        assert "s3:GetObject" in failure_message(aws, s3_uri)
    finally:
        s3.delete_bucket_policy(Bucket=BUCKET)


@pytest.mark.parametrize(
    "trust",
    [
        TRUST | {"Principal": {"Service": "sagemaker.amazonaws.com"}},
        TRUST | {"Action": "sts:TagSession"},
        TRUST | {"Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}},
        TRUST | {"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:*"}}},
    ],
)
def test_a_role_that_bedrock_may_not_assume_is_refused_at_once(aws: Aws, s3_uri: str, trust: dict[str, Any]) -> None:
    role = aws.create_role(f"distrusting-{next(NUMBERS)}", trust=trust)
    with pytest.raises(ClientError, match="The provided role ARN is invalid") as caught:
        outcome(aws, s3_uri, roleArn=role)
    assert error_code(caught.value) == "ValidationException"
