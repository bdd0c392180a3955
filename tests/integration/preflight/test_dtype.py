"""The dtype of a run, from preflight through preparation to what is delivered: one content each."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load

from include.run.plan import ImportPlan
from include.steps.deliver import deliver
from include.steps.plan_run import make_plan
from include.steps.prepare import merge, prepare_base, validate
from tests.support.account import Account

pytestmark = pytest.mark.usefixtures("without_logits")

DTYPES = {"keep": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def planned(account: Account, dtype: str) -> ImportPlan:
    account.values["dtype"] = dtype
    return make_plan(account.config, account.clients(), str(account.workspace / dtype), account.tags)


def delivered(account: Account, plan: ImportPlan) -> dict[str, bytes]:
    """The files in S3 after the tasks between preflight and the import."""
    s3, sagemaker = account.clients().s3, account.clients().sagemaker
    prepare_base(plan, s3, sagemaker)
    if plan.config.adapter:
        merge(plan, s3, sagemaker)
    validate(plan, s3, sagemaker)
    deliver(plan, s3, sagemaker)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=plan.bucket, Prefix=plan.prefix)["Contents"]]
    return {key.removeprefix(plan.prefix): s3.get_object(Bucket=plan.bucket, Key=key)["Body"].read() for key in keys}


@pytest.mark.parametrize("with_adapter", [True, False], ids=["with adapter", "base alone"])
def test_each_dtype_is_a_content_of_its_own_whose_weights_are_rounded_as_torch_rounds(
    account: Account, with_adapter: bool
) -> None:
    if not with_adapter:
        account.values["adapter"] = None
    plans, weights = {}, {}
    for dtype, stored in DTYPES.items():
        plans[dtype] = planned(account, dtype)
        assert not plans[dtype].delivered  # what another dtype left is not taken for it
        files = delivered(account, plans[dtype])
        weights[dtype] = load(files["model.safetensors"])
        assert {tensor.dtype for tensor in weights[dtype].values()} == {stored}
        assert json.loads(files["config.json"])["torch_dtype"] == str(stored).removeprefix("torch.")
        assert planned(account, dtype).delivered
    for name in ("content", "imported_model_name", "job_name", "client_request_token", "s3_uri", "manifest_key"):
        assert len({getattr(plan, name) for plan in plans.values()}) == len(DTYPES), name
    for dtype, stored in DTYPES.items():
        assert weights[dtype].keys() == weights["keep"].keys()
        assert all(torch.equal(weights[dtype][name], kept.to(stored)) for name, kept in weights["keep"].items())
