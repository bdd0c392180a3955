"""What preflight sees of base model and adapter by their names, headers and file lists."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from include.aws.clients import AwsClients
from include.checkpoint.lora import name_patterns
from include.config.model import parse_model_config
from include.preflight.findings import Finding
from include.preflight.input_checks import check_inputs
from include.run.workspace import PROJECT_ROOT
from tests.support.account import Account

DEMO = PROJECT_ROOT / "include/demo"
ADAPTER = DEMO / "adapters/finished"


def errors(account: Account, base: str, adapter: str | None) -> list[Finding]:
    values = {
        "model_name": "capitals",
        "base": base,
        "adapter": adapter,
        "evaluation": {"dataset": "include/demo/capitals_eval.jsonl"},
        "account": {"local_folders": str(account.folder.parent.parent)},
    }
    clients = AwsClients(account.admin)
    found = check_inputs(parse_model_config(values, "a test"), clients)
    return [finding for finding in found if finding.severity == "error"]


def in_s3(account: Account, folder: Path, prefix: str) -> str:
    for path in folder.iterdir():
        key = f"{prefix}/{path.name}"
        body = path.read_bytes()
        account.admin("s3").put_object(Bucket=account.bucket, Key=key, Body=body, ChecksumAlgorithm="CRC64NVME")
    return f"s3://{account.bucket}/{prefix}"


@pytest.mark.parametrize("place", ["local", "s3"])
def test_an_adapter_of_another_base_is_refused_by_its_header(account: Account, base: Path, place: str) -> None:
    found = [base, ADAPTER] if place == "local" else [in_s3(account, base, "base"), in_s3(account, ADAPTER, "adapter")]
    [error] = errors(account, *map(str, found))
    assert (error.check, error.which) == ("adapter", str(found[1]))
    assert "shape" in error.found
    assert "the base model it was trained on" in error.remedy


@pytest.mark.parametrize("place", ["local", "s3"])
def test_an_adapter_of_the_base_is_accepted(account: Account, place: str) -> None:
    base = DEMO / "base"
    found = [base, ADAPTER] if place == "local" else [in_s3(account, base, "base"), in_s3(account, ADAPTER, "adapter")]
    assert errors(account, *map(str, found)) == []


def test_a_hostile_pattern_in_an_adapter_is_refused_before_it_is_matched(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_patterns, "TRIAL", name_patterns.TRIAL._replace(seconds=1))
    hostile = Path(shutil.copytree(ADAPTER, tmp_path / "hostile"))
    config = json.loads((hostile / "adapter_config.json").read_text())
    config["rank_pattern"] = {r"((model|layers|[a-z.0-9_])+)+!": 4}
    (hostile / "adapter_config.json").write_text(json.dumps(config))
    [error] = errors(account, str(DEMO / "base"), str(hostile))
    assert "matched in 1 seconds" in error.found


def test_pickled_weights_are_convertible_and_so_accepted(account: Account, base: Path, tmp_path: Path) -> None:
    import torch
    from transformers import MistralForCausalLM

    for path in base.iterdir():
        if path.suffix == ".json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save(MistralForCausalLM.from_pretrained(base).state_dict(), tmp_path / "pytorch_model.bin")
    assert errors(account, str(tmp_path), None) == []


def test_a_name_on_the_hugging_face_hub_is_refused_with_the_command_that_downloads_it(account: Account) -> None:
    [error] = errors(account, "mistralai/Mistral-7B-v0.3", None)
    assert "hf download mistralai/Mistral-7B-v0.3 --local-dir" in error.text()


def test_a_file_where_a_folder_is_needed_is_called_a_file(account: Account) -> None:
    [error] = errors(account, "include/demo/base/model.safetensors", None)
    assert "The source is a file" in error.text()
