"""Models saved by transformers 5, normalised, are read by 4.51.3 as 5 reads them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mistral_common
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, MistralConfig, MistralForCausalLM

from include.checkpoint.checks.validation import validate
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.mistral.raw_tokenizer import tokenizer_files
from include.checkpoint.normalising import normalise, normalise_config
from include.checkpoint.writing.materialize import materialize

FIXTURES = Path(__file__).parent / "fixtures" / "transformers5"
TOKENS = torch.arange(3, 43)[None]
ROPE = {"mistral": (1e6, None), "llama_scaled": (5e5, "llama3"), "qwen2_tied": (1e6, None), "qwen2_yarn": (1e6, "yarn")}


@pytest.mark.parametrize("name", ROPE)
def test_a_model_of_transformers_5_is_read_alike(name: str, tmp_path: Path) -> None:
    source = checkpoint_of_folder(FIXTURES / name)
    assert validate(source).errors

    normalised = normalise(source, tmp_path / "overlay")
    materialize(normalised, tmp_path / "model")

    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", torch_dtype="auto").eval()
    assert model.dtype == torch.bfloat16
    with torch.no_grad():  # In float32, for the last bits of bfloat16 are another processor's.
        logits = model.float()(TOKENS).logits
    expected = load_file(FIXTURES / name / "expected.logits")["logits"]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    theta, scaling = ROPE[name]
    assert model.config.rope_theta == theta
    assert (getattr(model.config, "rope_scaling", None) or {}).get("rope_type") == scaling
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer.additional_special_tokens == ["[X1]", "[X2]"]
    assert list(tokenizer("a")) == ["input_ids", "attention_mask"]
    assert tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False) == "<s>[INST] a [/INST]"
    report = validate(normalised)
    assert not report.errors
    replaced = ["RopeScalingReplacedWarning"] if name == "llama_scaled" else []  # by Bedrock, whatever the file says
    assert [record.defect for record in report.warnings] == replaced


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe", "qwen2_vl", "qwen2_5_vl", "mllama", "t5_tied", "t5_untied"])
def test_each_architecture_of_transformers_5_computes_the_same_logits(name: str, tmp_path: Path) -> None:
    normalised = normalise(checkpoint_of_folder(FIXTURES / name), tmp_path / "overlay")
    assert validate(normalised).errors == ()
    materialize(normalised, tmp_path / "model")
    config = AutoConfig.from_pretrained(tmp_path / "model")
    model_class = getattr(transformers, config.architectures[0])
    model, report = model_class.from_pretrained(tmp_path / "model", torch_dtype="auto", output_loading_info=True)
    assert not report["missing_keys"]
    more = {"decoder_input_ids": TOKENS} if config.is_encoder_decoder else {}
    with torch.no_grad():
        logits = model.float().eval()(TOKENS, **more).logits
    expected = load_file(FIXTURES / name / "expected.logits")["logits"]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert normalise(normalised, tmp_path / "again") is normalised


def test_a_head_that_is_added_to_a_model_in_shards_is_in_the_index_and_counted(tmp_path: Path) -> None:
    source = shutil.copytree(FIXTURES / "t5_untied", tmp_path / "model")
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    weight_map = {}
    for number, names in enumerate((list(tensors)[::2], list(tensors)[1::2]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, source / file, {"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (source / "model.safetensors.index.json").write_text(json.dumps(index))
    report = validate(normalise(checkpoint_of_folder(source), tmp_path / "overlay"))
    assert not report.errors
    assert not report.warnings


@pytest.mark.parametrize("other", [{}, {"tokenizer_config.json": '{"tokenizer_class": "MistralCommonTokenizer"}'}])
def test_a_model_with_only_tekken_json_gets_the_tokenizer_that_a_raw_model_gets(
    tmp_path: Path, other: dict[str, str]
) -> None:
    source = tmp_path / "model"
    sizes = {"vocab_size": 131072, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "eos_token_id": 2, "bos_token_id": 1}
    MistralForCausalLM(MistralConfig(**sizes, **heads)).bfloat16().save_pretrained(source)
    shutil.copy(Path(mistral_common.__file__).parent / "data" / "tekken_240911.json", source / "tekken.json")
    for name, text in other.items():
        (source / name).write_text(text)
    normalised = normalise(checkpoint_of_folder(source), tmp_path / "overlay")
    assert validate(normalised).errors == ()
    materialize(normalised, tmp_path / "out")
    assert not (tmp_path / "out" / "tekken.json").exists()
    expected, _ = tokenizer_files(source)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in expected} == expected


def test_the_attention_implementation_of_the_training_machine_is_left_out() -> None:
    config, notes = normalise_config({"model_type": "mistral", "_attn_implementation": "flash_attention_2"})
    assert config == {"model_type": "mistral"}
    assert "depends on the machine" in notes[0]


def test_each_change_is_noted(tmp_path: Path) -> None:
    notes = " ".join(normalise(checkpoint_of_folder(FIXTURES / "llama_scaled"), tmp_path).notes)

    for part in ("rope_theta = 500000.0", "rope_scaling of type llama3", "torch_dtype = bfloat16", "chat_template"):
        assert part in notes


def test_a_model_of_4_51_stays_as_it_is(base_dir: Path, tmp_path: Path) -> None:
    checkpoint = checkpoint_of_folder(base_dir)

    assert normalise(checkpoint, tmp_path / "overlay") is checkpoint
    assert not (tmp_path / "overlay").exists()


def test_normalising_twice_changes_nothing_more(tmp_path: Path) -> None:
    once = normalise(checkpoint_of_folder(FIXTURES / "mistral"), tmp_path / "a")
    assert normalise(once, tmp_path / "b") is once


def test_nested_configurations_are_normalised_too() -> None:
    nested, notes = normalise_config({"text_config": {"dtype": "float16", "rope_parameters": {"rope_theta": 7.0}}})

    assert nested == {"text_config": {"torch_dtype": "float16", "rope_theta": 7.0}}
    assert all(note.startswith("text_config: ") for note in notes)
