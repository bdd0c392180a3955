from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from include.local_aws.bedrock.checkpoint_files import (
    check_names,
    check_shards,
    check_size,
    find_architecture,
    read_config,
)
from include.local_aws.bedrock.import_failures import (
    AdapterOnlyError,
    ArchivedCheckpointError,
    ImportFailedError,
    InvalidConfigError,
    MissingFileError,
    ModelTooLargeError,
    NoSafetensorsError,
    QuantizedCheckpointError,
    ShardIndexError,
    UnreadableWeightsError,
    UnsupportedArchitectureError,
)
from include.local_aws.bedrock.service_rules import service_rules

COMPLETE = {"config.json", "model.safetensors", "tokenizer_config.json", "tokenizer.json"}
URI = "s3://models/x/"
MISTRAL = {"model_type": "mistral", "architectures": ["MistralForCausalLM"]}


@pytest.mark.parametrize(
    "names",
    [
        COMPLETE,
        COMPLETE - {"tokenizer.json"} | {"tokenizer.model"},
        COMPLETE | {"consolidated.safetensors", "README.md", "generation_config.json"},
    ],
)
def test_a_whole_checkpoint_passes(names: set[str]) -> None:
    check_names(names, URI)


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (COMPLETE - {"config.json"}, MissingFileError),
        (COMPLETE - {"tokenizer_config.json"}, MissingFileError),
        (COMPLETE - {"tokenizer.json"}, MissingFileError),
        (COMPLETE - {"tokenizer.json"} | {"tekken.json"}, MissingFileError),
        (COMPLETE - {"model.safetensors"}, NoSafetensorsError),
        (COMPLETE - {"model.safetensors"} | {"pytorch_model.bin"}, NoSafetensorsError),
        (COMPLETE - {"model.safetensors"} | {"consolidated.safetensors"}, NoSafetensorsError),
        ({"adapter_config.json", "adapter_model.safetensors"}, AdapterOnlyError),
        (COMPLETE | {"model.tar.gz"}, ArchivedCheckpointError),
        (set(), MissingFileError),
    ],
)
def test_a_missing_or_foreign_file_is_named(names: set[str], error: type[ImportFailedError]) -> None:
    with pytest.raises(error):
        check_names(names, URI)


def test_the_message_for_a_missing_config_is_the_one_bedrock_gives() -> None:
    with pytest.raises(MissingFileError, match=r"could not find the expected file config\.json"):
        check_names(COMPLETE - {"config.json"}, URI)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_config_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InvalidConfigError):
        read_config(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "mistral3", "architectures": ["Mistral3ForConditionalGeneration"]},
        {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"]},
        {"architectures": ["MistralForCausalLM"]},
        {"model_type": "mistral", "architectures": ["MistralModel"]},
        {"model_type": "qwen3", "architectures": ["Qwen3ForSequenceClassification"]},
        {"model_type": "mistral"},
    ],
)
def test_an_architecture_that_bedrock_does_not_run_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedArchitectureError, match="Amazon bedrock does not support the architecture"):
        find_architecture(config, service_rules(), "us-east-1")


def test_gpt_oss_is_accepted_quantized_and_in_one_region_only() -> None:
    config = {
        "model_type": "gpt_oss",
        "architectures": ["GptOssForCausalLM"],
        "quantization_config": {"quant_method": "mxfp4"},
    }
    assert find_architecture(config, service_rules(), "us-east-1").quantized
    with pytest.raises(UnsupportedArchitectureError):
        find_architecture(config, service_rules(), "us-west-2")


def test_quantized_weights_are_refused() -> None:
    with pytest.raises(QuantizedCheckpointError, match="gptq"):
        find_architecture(MISTRAL | {"quantization_config": {"quant_method": "gptq"}}, service_rules(), "us-east-1")


def test_weights_of_the_limit_or_more_are_refused() -> None:
    check_size([60, 39], 100)
    with pytest.raises(ModelTooLargeError):
        check_size([60, 40], 100)


def shard(folder: Path, name: str, *tensors: str) -> None:
    save_file({tensor: np.zeros(2, np.float32) for tensor in tensors}, folder / name)


def index(folder: Path, **weight_map: str) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_a_single_weight_file_needs_no_index(tmp_path: Path) -> None:
    shard(tmp_path, "model.safetensors", "a")
    check_shards(tmp_path)


def test_shards_that_are_those_of_the_index_pass(tmp_path: Path) -> None:
    shard(tmp_path, "one.safetensors", "a", "b")
    shard(tmp_path, "two.safetensors", "c")
    index(tmp_path, a="one.safetensors", b="one.safetensors", c="two.safetensors")
    check_shards(tmp_path)


@pytest.mark.parametrize(
    ("weight_map", "problem"),
    [
        ({"a": "one.safetensors", "b": "two.safetensors", "c": "three.safetensors"}, "missing: three"),
        ({"a": "one.safetensors"}, "does not name: two"),
        ({"a": "one.safetensors", "c": "two.safetensors"}, "where they are not: c in two"),
        ({"a": "two.safetensors", "b": "one.safetensors"}, "where they are not"),
        ({"a": "one.safetensors", "b": "two.safetensors", "x": "two.safetensors"}, "where they are not: x"),
    ],
)
def test_an_index_that_does_not_fit_the_shards_is_refused(
    tmp_path: Path, weight_map: dict[str, str], problem: str
) -> None:
    shard(tmp_path, "one.safetensors", "a")
    shard(tmp_path, "two.safetensors", "b")
    index(tmp_path, **weight_map)
    with pytest.raises(ShardIndexError, match=problem):
        check_shards(tmp_path)


def test_a_tensor_that_the_index_leaves_out_is_named(tmp_path: Path) -> None:
    shard(tmp_path, "one.safetensors", "a", "b")
    index(tmp_path, a="one.safetensors")
    with pytest.raises(ShardIndexError, match="does not list tensors: b"):
        check_shards(tmp_path)


def test_a_tensor_in_two_shards_is_named(tmp_path: Path) -> None:
    shard(tmp_path, "one.safetensors", "a")
    shard(tmp_path, "two.safetensors", "a", "b")
    index(tmp_path, a="one.safetensors", b="two.safetensors")
    with pytest.raises(ShardIndexError, match="more than one file: a"):
        check_shards(tmp_path)


def test_shards_without_an_index_are_refused(tmp_path: Path) -> None:
    shard(tmp_path, "model-00001-of-00002.safetensors", "a")
    with pytest.raises(ShardIndexError, match=r"no model\.safetensors\.index\.json"):
        check_shards(tmp_path)


def test_an_index_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    shard(tmp_path, "model.safetensors", "a")
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ShardIndexError, match="not readable"):
        check_shards(tmp_path)


def test_a_truncated_weight_file_is_refused(tmp_path: Path) -> None:
    shard(tmp_path, "model.safetensors", "a")
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-1])
    with pytest.raises(UnreadableWeightsError, match=r"model\.safetensors"):
        check_shards(tmp_path)
