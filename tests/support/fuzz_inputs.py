"""Small inputs of every kind that the command line reads, each with the command that reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mistral_common
import torch
from peft import LoraConfig
from safetensors.torch import load_file
from transformers import MistralForCausalLM

from include.checkpoint.checks.validation import validate
from include.checkpoint.converting import convert, peft_adapter
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.inspection import inspect
from include.checkpoint.lora.merging import merge
from include.checkpoint.normalising import normalise
from tests.support.raw_mistral import save_raw
from tests.support.tiny_models import CONFIGS, make_tokenizer, save_adapter

SMALLEST = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
_PROCESSOR = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 14, "image_mean": [0.5, 0.5, 0.5]}


@dataclass(frozen=True)
class FuzzCase:
    """A folder, the files in it that are damaged one at a time, and what reads it; that returns the first defect."""

    folder: Path
    targets: tuple[Path, ...]
    read: Callable[[Path, Path], str]


def fuzz_cases(folder: Path) -> list[FuzzCase]:
    """Return one sound input of each kind; a mutant of one takes milliseconds."""
    makers = (_whole, _pickled, _raw, _raw_pickled, _adapter, _pickled_adapter)
    return [make(folder / make.__name__.strip("_")) for make in makers]


def _model() -> MistralForCausalLM:
    torch.manual_seed(3)
    return MistralForCausalLM(CONFIGS["mistral"](**SMALLEST, num_key_value_heads=1)).to(torch.bfloat16)


def _whole(folder: Path) -> FuzzCase:
    """A model in shards, with every other file that Bedrock reads."""
    _model().save_pretrained(folder, max_shard_size="6KB")
    make_tokenizer().save_pretrained(folder)
    shutil.copy(_template_beside(folder), folder / "chat_template.jinja")
    (folder / "added_tokens.json").write_text('{"<extra>": 127}')
    for name in ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"):
        (folder / name).write_text(json.dumps(_PROCESSOR))
    return _case(folder, "*", _read_model)


def _template_beside(folder: Path) -> Path:
    path = folder.with_name("template.jinja")
    path.write_text(json.loads((folder / "tokenizer_config.json").read_text())["chat_template"])
    return path


def _pickled(folder: Path) -> FuzzCase:
    _model().save_pretrained(folder, safe_serialization=False, max_shard_size="6KB")
    make_tokenizer().save_pretrained(folder)
    return _case(folder, "pytorch_model*", _read_converted)


def _raw(folder: Path) -> FuzzCase:
    save_raw(_model(), folder)
    tekken = json.loads((Path(mistral_common.__file__).parent / "data" / "tekken_240911.json").read_bytes())
    tekken["vocab"] = tekken["vocab"][:300]
    tekken["config"] |= {"default_vocab_size": 320, "default_num_special_tokens": 20, "num_vocab_tokens": 300}
    (folder / "tekken.json").write_text(json.dumps(tekken))
    return _case(folder, "*", _read_converted)


def _raw_pickled(folder: Path) -> FuzzCase:
    save_raw(_model(), folder)
    torch.save(load_file(folder / "consolidated.safetensors"), folder / "consolidated.00.pth")
    (folder / "consolidated.safetensors").unlink()
    make_tokenizer().save_pretrained(folder)
    return _case(folder, "*.pth", _read_converted)


def _adapter(folder: Path) -> FuzzCase:
    _base_beside(folder)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    save_adapter(_model(), folder, config)
    make_tokenizer().save_pretrained(folder)
    return _case(folder, "*.*", _read_merged)


def _pickled_adapter(folder: Path) -> FuzzCase:
    case = _adapter(folder)
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    return _case(case.folder, "*.bin", _read_merged)


def _base_beside(folder: Path) -> Path:
    base = folder.with_name(f"{folder.name}_base")
    _model().save_pretrained(base)
    make_tokenizer().save_pretrained(base)
    return base


def _case(folder: Path, pattern: str, read: Callable[[Path, Path], str]) -> FuzzCase:
    return FuzzCase(folder, tuple(path for path in sorted(folder.glob(pattern)) if path.name != "README.md"), read)


def _read_model(folder: Path, work: Path) -> str:
    inspect(folder).model_dump_json()
    checkpoint = checkpoint_of_folder(folder)
    found = _first_defect(checkpoint)
    normalise(checkpoint, work)
    return found


def _read_converted(folder: Path, work: Path) -> str:
    inspect(folder).model_dump_json()
    return _first_defect(normalise(convert(folder, work, durable=False), work / "normalised"))


def _read_merged(folder: Path, work: Path) -> str:
    inspect(folder).model_dump_json()
    base = checkpoint_of_folder(folder.with_name(f"{folder.name}_base"))
    merged = merge(base, peft_adapter(folder, work), work, durable=False).checkpoint
    normalise(merged, work / "normalised")
    return "merged"


def _first_defect(checkpoint: Checkpoint) -> str:
    report: Any = validate(checkpoint)
    report.model_dump_json()
    return str(report.errors[0].defect) if report.errors else "sound"
