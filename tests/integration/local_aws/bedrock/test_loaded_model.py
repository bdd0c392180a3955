"""Every kind of architecture that Bedrock takes loads strictly and generates what transformers generates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from include.local_aws.bedrock.checkpoint_files import find_architecture, read_config
from include.local_aws.bedrock.generation import encode_prompt, generate
from include.local_aws.bedrock.inference import Finish, InferenceRequest
from include.local_aws.bedrock.loaded_model import LoadedModel, load_checkpoint
from include.local_aws.bedrock.service_rules import service_rules
from tests.support.tiny_mistral import save_tiny_mistral

VOCABULARY = 98
DECODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.5,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CONFIGS: dict[str, tuple[type, dict[str, Any]]] = {
    "mistral": (transformers.MistralConfig, DECODER),
    "mistral, sliding window": (transformers.MistralConfig, DECODER | {"sliding_window": 8}),
    "mixtral": (transformers.MixtralConfig, DECODER | {"num_local_experts": 2}),
    "llama": (transformers.LlamaConfig, DECODER),
    "llama, tied": (transformers.LlamaConfig, DECODER | {"tie_word_embeddings": True}),
    "qwen2": (transformers.Qwen2Config, DECODER),
    "qwen3": (transformers.Qwen3Config, DECODER | {"head_dim": 8}),
    "qwen3_moe": (
        transformers.Qwen3MoeConfig,
        DECODER | {"head_dim": 8, "num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 32},
    ),
    "gpt_bigcode": (
        transformers.GPTBigCodeConfig,
        {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "eos_token_id": 2},
    ),
    "t5": (
        transformers.T5Config,
        {"vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
        | {"decoder_start_token_id": 0, "initializer_factor": 5.0, "eos_token_id": 2},
    ),
}


def save(folder: Path, architecture: str, dtype: torch.dtype) -> Path:
    kind, values = CONFIGS[architecture]
    save_tiny_mistral(folder)
    config = kind(**values)
    torch.manual_seed(3)
    auto = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    auto.from_config(config).to(dtype).save_pretrained(folder)
    return folder


def load(folder: Path) -> LoadedModel:
    rules = service_rules()
    architecture = find_architecture(read_config(folder), rules, "us-east-1")
    return load_checkpoint(folder, architecture, rules.tokenizer_classes)


def expected_text(folder: Path, prompt: str, max_tokens: int) -> str:
    config = transformers.AutoConfig.from_pretrained(folder)
    auto = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    model = auto.from_pretrained(folder, torch_dtype="auto")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer(prompt)["input_ids"]])
    output = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=max_tokens)
    new = output[0][1:] if config.is_encoder_decoder else output[0][ids.shape[1] :]
    return str(tokenizer.decode(new, skip_special_tokens=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("architecture", CONFIGS)
def test_an_architecture_generates_what_transformers_generates(
    tmp_path: Path, architecture: str, dtype: torch.dtype
) -> None:
    folder = save(tmp_path, architecture, dtype)
    loaded = load(folder)
    assert next(loaded.model.parameters()).dtype == dtype
    request = InferenceRequest(prompt="What is it?", max_tokens=24, temperature=0)
    ids = encode_prompt(loaded, request)
    inference = generate(loaded, ids, request, lambda text, tokens: True)
    assert inference.text == expected_text(folder, "What is it?", 24)
    assert inference.prompt_tokens == len(ids) == 11
    assert (inference.generated_tokens == 24) == (inference.finish is Finish.MAX_TOKENS)


def test_llama_3_is_served_with_the_services_rotary_embedding_not_the_files(tmp_path: Path) -> None:
    folder = save(tmp_path, "llama", torch.float32)
    config = json.loads((folder / "config.json").read_text())
    frequencies = {}
    for factor in (8.0, 32.0):
        scaling = {"rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
        config["rope_scaling"] = scaling | {"original_max_position_embeddings": 8192}
        (folder / "config.json").write_text(json.dumps(config))
        frequencies[factor] = transformers.LlamaForCausalLM.from_pretrained(folder).model.rotary_emb.inv_freq
    served = load(folder).model.model.rotary_emb.inv_freq
    assert torch.equal(served, frequencies[8.0])
    assert not torch.equal(served, frequencies[32.0])


@pytest.mark.parametrize("name", service_rules().architectures)
def test_transformers_loads_the_classes_of_every_architecture_but_gpt_oss(name: str) -> None:
    architecture = service_rules().architectures[name]
    for class_name in architecture.classes:
        assert hasattr(transformers, class_name) == (name != "gpt_oss")
    assert hasattr(transformers, architecture.loader)


def test_a_template_file_wins_over_the_tokenizer_config(tmp_path: Path) -> None:
    folder = save_tiny_mistral(tmp_path)
    (folder / "chat_template.json").write_text('{"chat_template": "from json"}')
    assert load(folder).chat_template == "from json"
    (folder / "chat_template.jinja").write_text("from jinja")
    assert load(folder).chat_template == "from jinja"


def test_no_code_of_a_checkpoint_runs(tmp_path: Path) -> None:
    folder = save_tiny_mistral(tmp_path)
    config = (folder / "config.json").read_text()
    auto_map = '{"auto_map": {"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.Config"}, '
    (folder / "config.json").write_text(config.replace("{", auto_map, 1))
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    assert type(load(folder).model) is transformers.MistralForCausalLM
