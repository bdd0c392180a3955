"""Each defect is reported with its class, its file and what to do; a sound checkpoint passes."""

# ruff: noqa: E501 (one row of a table per line)

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM as Causal
from transformers import (
    AutoModelForSeq2SeqLM,
    GPTBigCodeConfig,
    MllamaConfig,
    MllamaForConditionalGeneration,
    PreTrainedModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3Config,
    Qwen3MoeConfig,
    T5Config,
)

from include.checkpoint.checks.validation import raise_on_defects, validate
from include.checkpoint.errors import CheckpointInvalidError
from include.checkpoint.files.folder import checkpoint_of_folder
from tests.support.tiny_models import CONFIGS, SHAPE, make_model, make_tokenizer, save_model

Break = Callable[[Path], object]
SHARD = "model.safetensors"
INDEX = "model.safetensors.index.json"


def _json(name: str, drop: tuple[str, ...] = (), **fields: Any) -> Break:
    def edit(folder: Path) -> None:
        value = json.loads((folder / name).read_text()) | fields
        (folder / name).write_text(json.dumps({key: item for key, item in value.items() if key not in drop}))

    return edit


def _remove(name: str) -> Break:
    return lambda folder: (folder / name).unlink()


def _write(name: str, text: str) -> Break:
    return lambda folder: (folder / name).write_text(text)


def _header(edit: Callable[[dict[str, Any]], object]) -> Break:
    """Change the header of the single shard, keeping its data."""

    def change(folder: Path) -> None:
        raw = (folder / SHARD).read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + length])
        text = edit(header) or json.dumps(header)
        encoded = str(text).encode()
        (folder / SHARD).write_bytes(struct.pack("<Q", len(encoded)) + encoded + raw[8 + length :])

    return change


def _bytes(edit: Callable[[bytes], bytes]) -> Break:
    return lambda folder: (folder / SHARD).write_bytes(edit((folder / SHARD).read_bytes()))


def _tensors(edit: Callable[[dict[str, torch.Tensor]], object]) -> Break:
    def change(folder: Path) -> None:
        tensors = load_file(folder / SHARD)
        edit(tensors)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / SHARD)

    return change


def _first(header: dict[str, Any]) -> dict[str, Any]:
    return next(item for name, item in header.items() if name != "__metadata__" and item["data_offsets"][0] == 0)


def _last(header: dict[str, Any]) -> dict[str, Any]:
    return max((item for name, item in header.items() if name != "__metadata__"), key=lambda item: item["data_offsets"])


def _sharded(edit: Callable[[Path, dict[str, Any]], object]) -> Break:
    """Save the model again in shards, then change the index."""

    def change(folder: Path) -> None:
        (folder / SHARD).unlink()
        make_model().save_pretrained(folder, max_shard_size="60KB")
        index = json.loads((folder / INDEX).read_text())
        edit(folder, index)
        (folder / INDEX).write_text(json.dumps(index))

    return change


def _twice(header: dict[str, Any]) -> str:
    text = json.dumps(header)
    name = json.dumps(next(name for name in header if name != "__metadata__"))
    return text[:-1] + f", {name}: {text[text.index(name) + len(name) + 2 : text.index('}', text.index(name)) + 1]}}}"


def _stale_index(folder: Path, index: dict[str, Any]) -> None:
    save_file(load_file(folder / sorted(set(index["weight_map"].values()))[0]), folder / SHARD)


def _swap_files(folder: Path, index: dict[str, Any]) -> None:
    names = sorted(set(index["weight_map"].values()))
    index["weight_map"]["model.norm.weight"] = next(n for n in names if n != index["weight_map"]["model.norm.weight"])


Q = "model.layers.0.self_attn.q_proj.weight"
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
TOKENIZER_JSON = "tokenizer.json"
LLAMA_3_1 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "original_max_position_embeddings": 8192,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
}
LLAMA_3_2 = LLAMA_3_1 | {"factor": 32.0}


def _high_id(folder: Path) -> None:
    tokenizer = json.loads((folder / TOKENIZER_JSON).read_text())
    tokenizer["added_tokens"].append(tokenizer["added_tokens"][0] | {"id": 500, "content": "<late>"})
    (folder / TOKENIZER_JSON).write_text(json.dumps(tokenizer))


BROKEN: list[tuple[str, Break, str]] = [
    ("no config", _remove("config.json"), "ConfigMissingError"),
    ("config cut off", _write("config.json", '{"model_type": "mis'), "JsonInvalidError"),
    ("config is a list", _write("config.json", "[1]"), "JsonInvalidError"),
    ("no weights", _remove(SHARD), "WeightsMissingError"),
    ("shards without an index", _sharded(lambda folder, index: None), "IndexMissingError"),
    ("weights under another name", lambda f: (f / SHARD).rename(f / "weights.safetensors"), "IndexMissingError"),
    ("index without a map", _sharded(lambda folder, index: index.pop("weight_map")), "IndexInvalidError"),
    ("index that leaves the folder", _sharded(lambda f, i: i["weight_map"].update({Q: "../x.safetensors"})), "IndexInvalidError"),
    ("stale index", _sharded(_stale_index), "IndexStaleError"),
    ("shard missing", _sharded(lambda f, i: (f / i["weight_map"][Q]).unlink()), "ShardMissingError"),
    ("shard of another run", _sharded(lambda f, i: save_file({"x": torch.ones(2)}, f / "old.safetensors")), "ShardNotIndexedError"),
    ("index of another run", _sharded(_swap_files), "TensorNotInShardError"),
    ("tensor not indexed", _sharded(lambda f, i: i["weight_map"].pop(Q)), "TensorNotIndexedError"),
    ("index of another size", _sharded(lambda f, i: i["metadata"].update(total_size=5)), "IndexSizeWarning"),
    ("shard of four bytes", _bytes(lambda raw: raw[:4]), "HeaderTruncatedError"),
    ("header cut off", _bytes(lambda raw: raw[:200]), "HeaderTruncatedError"),
    ("header of terabytes", _bytes(lambda raw: struct.pack("<Q", 2**40) + raw[8:]), "HeaderTooLargeError"),
    ("header is no JSON", _bytes(lambda raw: raw[:8] + b"?" + raw[9:]), "HeaderNotJsonError"),
    ("header nested too deep", _header(lambda header: "[" * 100_000), "HeaderNotJsonError"),
    ("tensor twice", _header(_twice), "TensorDuplicatedError"),
    ("entry without a shape", _header(lambda header: _first(header).pop("shape") and None), "TensorEntryInvalidError"),
    ("negative shape", _header(lambda header: _first(header).update(shape=[-1])), "TensorEntryInvalidError"),
    ("unknown dtype", _header(lambda header: _first(header).update(dtype="F4")), "TensorDtypeUnknownError"),
    ("offsets reversed", _header(lambda header: _first(header)["data_offsets"].reverse()), "TensorOffsetsError"),
    ("shape that does not fit", _header(lambda header: _first(header).update(shape=[3])), "TensorSizeMismatchError"),
    ("overlapping tensors", _header(lambda header: _last(header).update(data_offsets=[0, _span(_last(header))])), "TensorOverlapError"),
    ("hole between tensors", _header(lambda header: _shift(header)), "TensorHoleError"),
    ("download cut off", _bytes(lambda raw: raw[:-100]), "ShardTruncatedError"),
    ("bytes behind the tensors", _bytes(lambda raw: raw + b"\0" * 64), "ShardTrailingBytesError"),
    ("no model_type", _json("config.json", drop=("model_type",)), "ModelTypeMissingError"),
    ("an architecture Bedrock does not know", _json("config.json", model_type="gemma2"), "ArchitectureUnsupportedError"),
    ("a class without a head", _json("config.json", architectures=["MistralModel"]), "ArchitectureClassError"),
    ("quantized", lambda f: (_json("config.json", quantization_config={"quant_method": "gptq"})(f), _tensors(lambda t: t.update({Q: t[Q].to(torch.int32)}))(f)), "QuantizedError"),
    ("quantization left over", _json("config.json", quantization_config={"quant_method": "bitsandbytes"}), "QuantizationLeftOverError"),
    ("a context of a million", _json("config.json", max_position_embeddings=2**20), "ContextTooLongWarning"),
    ("rope of transformers 5", _json("config.json", drop=("rope_theta",), rope_parameters={"rope_theta": 1e6}), "ConfigRopeIgnoredError"),
    ("a YaRN factor that is not used", _json("config.json", rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256}), "RopeFactorIgnoredWarning"),
    ("a factor of Llama 3 that Bedrock replaces", lambda f: _json("config.json", rope_scaling=LLAMA_3_2)(f), "RopeScalingReplacedWarning"),
    ("the same in a nested text model", lambda f: _json("config.json", text_config={"rope_scaling": LLAMA_3_2})(f), "RopeScalingReplacedWarning"),
    ("dtype of transformers 5", _json("config.json", drop=("torch_dtype",), dtype="bfloat16"), "ConfigDtypeIgnoredError"),
    ("no dtype", _json("config.json", drop=("torch_dtype",)), "ConfigDtypeMissingWarning"),
    ("a dtype Bedrock does not take", _json("config.json", torch_dtype="float8_e4m3fn"), "ConfigDtypeError"),
    ("another dtype than stored", _json("config.json", torch_dtype="float16"), "ConfigDtypeMismatchWarning"),
    ("heads that do not divide", _json("config.json", num_attention_heads="four"), "ConfigUnusableError"),
    ("a billion layers", _json("config.json", num_hidden_layers=10**9), "ConfigCountError"),
    ("code of its own", _json("config.json", auto_map={"AutoModel": "own.Model"}), "RemoteCodeWarning"),
    ("tensor missing", _tensors(lambda tensors: tensors.pop(Q)), "TensorMissingError"),
    ("tensor of another model", _tensors(lambda t: t.update({"model.extra.weight": torch.ones(2).bfloat16()})), "TensorUnexpectedError"),
    ("another shape", _json("config.json", intermediate_size=80), "TensorShapeError"),
    ("another vocabulary", _json("config.json", vocab_size=120), "VocabularySizeError"),
    ("no head", _tensors(lambda tensors: tensors.pop(HEAD)), "HeadMissingError"),
    ("trained head that is tied away", _json("config.json", tie_word_embeddings=True), "HeadDroppedError"),
    ("weights in 8 bits", _tensors(lambda t: t.update({Q: t[Q].to(torch.float8_e4m3fn)})), "DtypeUnsupportedError"),
    ("two dtypes", _tensors(lambda t: t.update({Q: t[Q].float()})), "DtypesMixedWarning"),
    ("not a number", _tensors(lambda t: t[Q].fill_(float("nan"))), "NonFiniteError"),
    ("infinity in one place", _tensors(lambda t: t[Q].__setitem__((5, 5), float("inf"))), "NonFiniteError"),
    ("adapter not merged", _tensors(lambda t: t.update({"base_model.model.x.lora_A.weight": torch.ones(2)})), "AdapterUnmergedError"),
    ("no tokenizer", _remove(TOKENIZER_JSON), "TokenizerMissingError"),
    ("no tokenizer config", _remove("tokenizer_config.json"), "TokenizerConfigMissingError"),
    ("tokenizer of transformers 5", _json("tokenizer_config.json", tokenizer_class="TokenizersBackend"), "TokenizerClassError"),
    ("special tokens as a list", _json("tokenizer_config.json", extra_special_tokens=["<a>"]), "SpecialTokensListError"),
    ("tokenizer that does not load", _write(TOKENIZER_JSON, '{"version": "9"}'), "TokenizerUnusableError"),
    ("token without a row", _high_id, "TokenIdOutOfRangeError"),
    ("template with an open block", _json("tokenizer_config.json", chat_template="{% for m in messages %}"), "ChatTemplateInvalidError"),
    ("no template", _json("tokenizer_config.json", drop=("chat_template",)), "ChatTemplateMissingWarning"),
    ("template outside", lambda f: (_json("tokenizer_config.json", drop=("chat_template",))(f), _write("chat_template.jinja", "x")(f)), "ChatTemplateOutsideWarning"),
    ("template in two places", _write("chat_template.jinja", "{{ messages[0]['content'] }}"), "ChatTemplateTwiceWarning"),
    ("end tokens of GPT-OSS incomplete", lambda f: (_json("config.json", model_type="gpt_oss")(f), _json("generation_config.json", eos_token_id=[200002])(f)), "EndTokensIncompleteWarning"),
    ("no generation config", _remove("generation_config.json"), "GenerationConfigMissingWarning"),
    ("no end token", lambda f: (_json("generation_config.json", drop=("eos_token_id",))(f), _json("config.json", drop=("eos_token_id",))(f)), "EndTokenMissingWarning"),
    ("end token outside the vocabulary", _json("generation_config.json", eos_token_id=[1, 9999]), "SpecialIdOutOfRangeError"),
    ("two end tokens that differ", _json("generation_config.json", eos_token_id=5), "EndTokenMismatchWarning"),
]  # fmt: skip


def _span(item: dict[str, Any]) -> int:
    return int(item["data_offsets"][1] - item["data_offsets"][0])


def _shift(header: dict[str, Any]) -> None:
    """Drop the first tensor's entry, so that its bytes belong to no tensor."""
    name = next(name for name, item in header.items() if item is _first(header))
    del header[name]


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return save_model(make_model(eos_token_id=1), tmp_path / "model")


@pytest.mark.parametrize(("break_it", "defect"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_defect_is_named_with_its_file_and_remedy(break_it: Break, defect: str, sound: Path) -> None:
    break_it(sound)
    if defect == "IndexMissingError" and (sound / INDEX).exists():
        (sound / INDEX).unlink()

    report = validate(checkpoint_of_folder(sound))

    found = {record.defect: record for record in (*report.errors, *report.warnings)}
    assert defect in found
    assert found[defect].severity == ("warning" if defect.endswith("Warning") else "error")
    assert all((found[defect].file, found[defect].expected, found[defect].found, found[defect].remedy))


def test_the_rotary_embedding_that_bedrock_uses_anyway_is_no_defect(sound: Path) -> None:
    _json("config.json", rope_scaling=LLAMA_3_1, max_position_embeddings=131072)(sound)

    assert "RopeScalingReplacedWarning" not in {
        record.defect for record in validate(checkpoint_of_folder(sound)).warnings
    }


def test_all_defects_are_reported_at_once_and_raised_together(sound: Path) -> None:
    _json("config.json", model_type="gemma2")(sound)
    _remove(TOKENIZER_JSON)(sound)
    _bytes(lambda raw: raw[:-100])(sound)

    report = validate(checkpoint_of_folder(sound))

    assert {"ArchitectureUnsupportedError", "TokenizerMissingError", "ShardTruncatedError"} <= {
        record.defect for record in report.errors
    }
    with pytest.raises(CheckpointInvalidError, match="ShardTruncatedError"):
        raise_on_defects(report)


def _others() -> dict[str, Callable[[], PreTrainedModel]]:
    qwen3 = SHAPE | {"head_dim": 16}
    rope = {"type": "mrope", "mrope_section": [2, 3, 3]}
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "patch_size": 4}
    vision_2_5 = {"depth": 2, "hidden_size": 32, "out_hidden_size": 64, "num_heads": 2, "intermediate_size": 48}
    mllama_text = SHAPE | {
        "num_hidden_layers": 4,
        "cross_attention_layers": [1, 3],
        "rope_scaling": {"rope_type": "default"},
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }
    mllama_vision = {
        "hidden_size": 32,
        "attention_heads": 2,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "intermediate_size": 48,
        "image_size": 28,
        "patch_size": 14,
        "intermediate_layers_indices": [0, 1],
        "vision_output_dim": 96,
    }
    return {
        "t5": lambda: AutoModelForSeq2SeqLM.from_config(
            T5Config(vocab_size=128, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=2)
        ),
        "gpt_bigcode": lambda: Causal.from_config(
            GPTBigCodeConfig(
                vocab_size=128, n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=1
            )
        ),
        "qwen2_vl": lambda: Qwen2VLForConditionalGeneration(
            Qwen2VLConfig(**SHAPE, vision_config=vision, rope_scaling=rope)
        ),
        "qwen2_5_vl": lambda: Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(**SHAPE, vision_config=vision_2_5, rope_scaling=rope)
        ),
        "mllama": lambda: MllamaForConditionalGeneration(
            MllamaConfig(text_config=mllama_text, vision_config=mllama_vision)
        ),
        "qwen3": lambda: Causal.from_config(Qwen3Config(**qwen3)),
        "qwen3_moe": lambda: Causal.from_config(Qwen3MoeConfig(**qwen3, num_experts=4, moe_intermediate_size=32)),
    }


@pytest.mark.parametrize("family", [*CONFIGS, *_others()])
def test_a_sound_checkpoint_of_each_family_passes(family: str, tmp_path: Path) -> None:
    model = make_model(family) if family in CONFIGS else _others()[family]().bfloat16()
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)

    assert not validate(checkpoint_of_folder(tmp_path)).errors
