"""Sources of another region or account, encrypted by KMS, throttled, broken, hostile."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from include.aws.clients import AwsClients
from include.aws.errors import S3RequestError
from include.config.model import parse_model_config
from include.preflight.input_checks import check_inputs
from include.run.inputs import describe_inputs
from include.run.plan import ImportPlan
from include.sources.errors import ArchiveUnreadableError, HostileArchiveError
from include.steps.prepare import merge, prepare_base, validate
from tests.support.cloud_sources import BUCKET, DEMO, Cloud, plan_in, prepare_and_deliver
from tests.support.faulty_proxy import FaultyProxy, Request

OTHER_ACCOUNT = "210987654321"
BASE = {path.name: path.read_bytes() for path in (DEMO / "base").iterdir()}


def account(cloud: Cloud, region_name: str = "us-east-1") -> Any:
    """A session factory of another account: keys of a role there."""
    endpoint = cloud.s3.meta.endpoint_url
    sts = boto3.client("sts", "us-east-1", endpoint_url=endpoint, aws_access_key_id="a", aws_secret_access_key="b")
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/owner"
    keys = sts.assume_role(RoleArn=role, RoleSessionName="owner")["Credentials"]
    return boto3.client(
        "s3",
        region_name,
        endpoint_url=endpoint,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def put_base(client: Any, bucket: str, **options: Any) -> str:
    for name, body in BASE.items():
        client.put_object(Bucket=bucket, Key=f"base/{name}", Body=body, ChecksumAlgorithm="CRC64NVME", **options)
    return f"s3://{bucket}/base"


def put_archive(cloud: Cloud, key: str, **members: bytes) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    cloud.s3.put_object(Bucket=BUCKET, Key=key, Body=packed.getvalue(), ChecksumAlgorithm="CRC64NVME")
    return f"s3://{BUCKET}/{key}"


def test_a_base_in_a_bucket_of_another_region_is_imported(cloud: Cloud, tmp_path: Path) -> None:
    far = "far-models"
    constraint = {"LocationConstraint": "eu-central-1"}
    owner = boto3.client(
        "s3",
        "eu-central-1",
        endpoint_url=cloud.s3.meta.endpoint_url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    owner.create_bucket(Bucket=far, CreateBucketConfiguration=constraint)
    _, bodies = prepare_and_deliver(cloud, plan_in(cloud, tmp_path, put_base(owner, far), None))
    assert bodies["model.safetensors"] == BASE["model.safetensors"]


def test_a_base_in_a_bucket_of_another_account_is_imported(cloud: Cloud, tmp_path: Path) -> None:
    owner = account(cloud)
    owner.create_bucket(Bucket="their-models")
    _, bodies = prepare_and_deliver(cloud, plan_in(cloud, tmp_path, put_base(owner, "their-models"), None))
    assert bodies["model.safetensors"] == BASE["model.safetensors"]


def test_what_kms_encrypts_is_known_by_its_checksum_though_its_etag_is_no_md5(cloud: Cloud, tmp_path: Path) -> None:
    kms = boto3.client(
        "kms",
        "us-east-1",
        endpoint_url=cloud.s3.meta.endpoint_url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    key = kms.create_key()["KeyMetadata"]["Arn"]
    cloud.s3.create_bucket(Bucket="encrypted-models")
    spec = put_base(cloud.s3, "encrypted-models", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    plan = plan_in(cloud, tmp_path, spec, str(DEMO / "adapters" / "finished"))
    assert plan.fingerprint == plan_in(cloud, tmp_path, str(DEMO / "base"), plan.config.adapter).fingerprint
    report, bodies = prepare_and_deliver(cloud, plan)
    assert report.bytes_copied + report.bytes_sent == sum(map(len, bodies.values()))


def test_a_source_that_its_owner_denies_is_named_with_what_to_do(cloud: Cloud, tmp_path: Path) -> None:
    owner = account(cloud)
    owner.create_bucket(Bucket="closed-models")
    spec = put_base(owner, "closed-models")
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::closed-models/*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    owner.put_bucket_policy(Bucket="closed-models", Policy=document)
    config = _config(tmp_path, spec)
    clients = AwsClients(lambda name: getattr(cloud, name))
    errors = [finding for finding in check_inputs(config, clients) if finding.severity == "error"]
    assert [(finding.check, finding.which) for finding in errors[:1]] == [("base model", spec)]
    assert "403" in errors[0].found
    assert "Check its name and permissions" in errors[0].remedy


def _config(workspace: Path, base: str) -> Any:
    values = {
        "model_name": "capitals",
        "base": base,
        "evaluation": {"dataset": "include/demo/capitals_eval.jsonl"},
        "account": {"workspace": str(workspace), "bucket": BUCKET},
    }
    return parse_model_config(values, "a test")


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"config.json": b"{}", "..__evil.json": b"{}"}, HostileArchiveError),
        ({"config.json": b"{}", "model.safetensors": bytes(200 * 2**20)}, HostileArchiveError),
    ],
    ids=["a path out of the folder", "a bomb"],
)
def test_a_hostile_archive_fails_the_conversion_and_leaves_nothing(
    cloud: Cloud, tmp_path: Path, members: dict[str, bytes], error: type[Exception]
) -> None:
    plan = plan_in(cloud, tmp_path, put_archive(cloud, "hostile/model.tar.gz", **members), None)
    with pytest.raises(error, match=r"hostile/model\.tar\.gz"):
        prepare_base(plan, cloud.s3, cloud.sagemaker)
    assert _fetched(plan) == []


def test_an_archive_that_ends_too_early_fails_the_conversion_and_leaves_nothing(cloud: Cloud, tmp_path: Path) -> None:
    whole = put_archive(cloud, "broken/whole.tar.gz", **BASE)
    body = cloud.s3.get_object(Bucket=BUCKET, Key=whole.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
    cloud.s3.put_object(Bucket=BUCKET, Key="broken/model.tar.gz", Body=body[: len(body) // 2])
    plan = plan_in(cloud, tmp_path, f"s3://{BUCKET}/broken/model.tar.gz", None)
    with pytest.raises(ArchiveUnreadableError, match="Write it again"):
        prepare_base(plan, cloud.s3, cloud.sagemaker)
    assert _fetched(plan) == []


def _fetched(plan: ImportPlan) -> list[str]:
    sources = Path(plan.config.account.workspace) / "cache" / "sources"
    return [str(path) for path in sources.rglob("*") if path.suffix != ".lock"]


@pytest.fixture
def proxied(cloud: Cloud) -> Iterator[tuple[FaultyProxy, Cloud]]:
    """The cloud behind a bad network; boto's own retries are off, ours remain."""
    with FaultyProxy(cloud.s3.meta.endpoint_url) as proxy:
        far = object.__new__(Cloud)
        config = Config(retries={"total_max_attempts": 1})
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        far.s3 = boto3.client("s3", "us-east-1", endpoint_url=proxy.endpoint_url, config=config, **keys)
        far.sagemaker = cloud.sagemaker
        yield proxy, far


def test_a_base_behind_a_bad_network_is_merged_all_the_same(proxied: tuple[FaultyProxy, Cloud], tmp_path: Path) -> None:
    proxy, far = proxied
    plan = plan_in(far, tmp_path, f"s3://{BUCKET}/sources/base", str(DEMO / "adapters" / "finished"))
    faults, made = cycle(("503", "500", "reset", "truncate")), Counter[str]()

    def every_third(request: Request) -> str | None:
        if request.kind != "GetObject" or request.number % 3:
            return None
        made[fault := next(faults)] += 1
        return fault

    proxy.rule = every_third
    prepare_base(plan, far.s3, far.sagemaker)
    assert merge(plan, far.s3, far.sagemaker).proof["changed_tensors"]
    assert validate(plan, far.s3, far.sagemaker).errors == ()
    assert len(made) == 4


def test_a_source_that_goes_on_refusing_fails_so_that_the_task_is_tried_again(
    proxied: tuple[FaultyProxy, Cloud], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, far = proxied
    plan = plan_in(far, tmp_path, f"s3://{BUCKET}/sources/base", None)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    proxy.rule = lambda request: "503" if request.kind == "GetObject" else None
    with pytest.raises(S3RequestError, match=r"(?s)SlowDown.*run again later"):
        prepare_base(plan, far.s3, far.sagemaker)
    shutil.rmtree(tmp_path)


def test_the_inputs_are_described_once_for_check_and_plan(cloud: Cloud, tmp_path: Path) -> None:
    config = _config(tmp_path, f"s3://{BUCKET}/sources/base")
    clients = AwsClients(lambda name: getattr(cloud, name))
    *_, inputs = _run(check_inputs(config, clients))
    assert inputs == describe_inputs(config, cloud.s3, cloud.sagemaker)


def _run(check: Any) -> list[Any]:
    from include.preflight.asking import collected

    return list(collected(check))
