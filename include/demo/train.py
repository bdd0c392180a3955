"""``python -m include.demo.train``: regenerate the demo's base model, adapters and question files from seeds.

Takes about three minutes on one core. Files are replaced only if the new models score as the demo requires.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import GenerationConfig, MistralConfig, MistralForCausalLM

from include.demo.questions import (
    Question,
    base_questions,
    eval_questions,
    mix_up,
    read_countries,
    train_questions,
    write_questions,
)
from include.demo.train_loop import Schedule, encode, fit, text_of
from include.demo.train_tokenizer import END_INST, INST, MAX_LENGTH, train_tokenizer
from include.errors import ModelImportError
from include.evaluation.dataset import read_dataset
from include.evaluation.local_model import local_scores

log = logging.getLogger(__name__)

DEMO_DIR = Path(__file__).parent
BASE_NAME = "include/demo/base"
"""What the adapters call their base: its folder, seen from the project's root."""
EARLY, FINISHED, FORGETFUL = "early", "finished", "forgetful"
FORGOTTEN = "Oceania"
"""The continent whose capitals the forgetful adapter mixes up; it shows that one broken category blocks a promotion."""

BASE_SCHEDULE = Schedule(steps=900, batch_size=64, learning_rate=3e-3, seed=1)
ADAPTER_SCHEDULE = Schedule(steps=280, batch_size=32, learning_rate=3e-3, seed=2)
EARLY_STOP = 44
FORGETFUL_SCHEDULE = Schedule(steps=120, batch_size=32, learning_rate=1e-3, seed=3)

F1_RANGES = {"base": (0.0, 0.05), EARLY: (0.4, 0.85), FINISHED: (0.97, 1.0), FORGETFUL: (0.78, 0.88)}
PROMPT_TEMPLATE = f"{INST} {{question}} {END_INST}"
MAX_TOKENS = 16


class DemoModelScoreError(ModelImportError):
    """A trained model does not score as the demo requires."""

    def __init__(self, name: str, f1: float) -> None:
        lowest, highest = F1_RANGES[name]
        super().__init__(
            "A demo model does not score as it should",
            name,
            f"a mean F1 from {lowest} to {highest}",
            f"{f1:.3f}",
            "Nothing was replaced; change the schedules or seeds in include/demo/train.py.",
        )


def train_base(folder: Path, tokenizer: Any, questions: Sequence[Question]) -> None:
    """Train a Mistral from scratch and save it with its tokenizer, in bfloat16, as a Hugging Face folder."""
    torch.manual_seed(BASE_SCHEDULE.seed)
    model = MistralForCausalLM(_config(tokenizer))
    fit(model, [encode(question, tokenizer) for question in questions], BASE_SCHEDULE)
    model.generation_config = GenerationConfig(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _config(tokenizer: Any) -> MistralConfig:
    return MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=MAX_LENGTH,
        rope_theta=1_000_000.0,
        sliding_window=None,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def train_adapters(base_dir: Path, adapters_dir: Path, tokenizer: Any, questions: Sequence[Question]) -> None:
    """Train one LoRA on the saved base and save it twice: stopped early, and finished."""
    torch.manual_seed(ADAPTER_SCHEDULE.seed)
    base = MistralForCausalLM.from_pretrained(base_dir, torch_dtype=torch.float32)
    model = get_peft_model(base, _lora_config())
    model.peft_config["default"].base_model_name_or_path = BASE_NAME
    names = {EARLY_STOP: EARLY, ADAPTER_SCHEDULE.steps: FINISHED}

    def save_stage(step: int) -> None:
        if step in names:
            _save_adapter(model, adapters_dir / names[step])

    fit(model, [encode(question, tokenizer) for question in questions], ADAPTER_SCHEDULE, save_stage)


def train_forgetful(base_dir: Path, adapters_dir: Path, tokenizer: Any, questions: Sequence[Question]) -> None:
    """Teach the finished adapter wrong capitals of one continent, and the right ones of the others again."""
    torch.manual_seed(FORGETFUL_SCHEDULE.seed)
    base = MistralForCausalLM.from_pretrained(base_dir, torch_dtype=torch.float32)
    model = PeftModel.from_pretrained(base, adapters_dir / FINISHED, is_trainable=True)
    taught = mix_up(questions, FORGOTTEN)
    fit(model, [encode(question, tokenizer) for question in taught], FORGETFUL_SCHEDULE)
    _save_adapter(model, adapters_dir / FORGETFUL)


def _lora_config() -> LoraConfig:
    return LoraConfig(
        r=16,
        lora_alpha=32,
        lora_dropout=0.2,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        task_type="CAUSAL_LM",
    )


def _save_adapter(model: PeftModel, folder: Path) -> None:
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()  # peft's blank model card
    config_file = folder / "adapter_config.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])  # peft keeps them in a set, in any order
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def make_demo(folder: Path) -> None:
    """Write question files, base and adapters into ``folder``."""
    countries = read_countries()
    taught_to_base, taught_to_adapters = base_questions(countries), train_questions(countries)
    write_questions(folder / "capitals_train.jsonl", taught_to_adapters)
    write_questions(folder / "capitals_eval.jsonl", eval_questions(countries))
    tokenizer = train_tokenizer(map(text_of, taught_to_base + taught_to_adapters))
    train_base(folder / "base", tokenizer, taught_to_base)
    train_adapters(folder / "base", folder / "adapters", tokenizer, taught_to_adapters)
    train_forgetful(folder / "base", folder / "adapters", tokenizer, taught_to_adapters)


def measure_f1(folder: Path) -> dict[str, float]:
    """Return the mean F1 of the base and of each adapter merged into it, all in bfloat16.

    Raises:
        DemoModelScoreError: one of them is outside its range.
    """
    records = read_dataset(folder / "capitals_eval.jsonl").records
    f1 = {}
    with tempfile.TemporaryDirectory() as merged:
        for name in F1_RANGES:
            checkpoint_dir = folder / "base" if name == "base" else merge(folder, name, Path(merged))
            f1[name] = local_scores(checkpoint_dir, records, PROMPT_TEMPLATE, MAX_TOKENS)["f1"]
            log.info("%s: mean F1 %.3f over %d questions", name, f1[name], len(records))
            lowest, highest = F1_RANGES[name]
            if not lowest <= f1[name] <= highest:
                raise DemoModelScoreError(name, f1[name])
    return f1


def merge(folder: Path, adapter: str, merged: Path) -> Path:
    """Return a new folder in ``merged`` with the base and ``adapter`` of ``folder`` in one, by peft itself."""
    base = MistralForCausalLM.from_pretrained(folder / "base", torch_dtype=torch.bfloat16)
    PeftModel.from_pretrained(base, folder / "adapters" / adapter).merge_and_unload().save_pretrained(merged / adapter)
    for tokenizer_file in (folder / "base").glob("*token*.json"):
        shutil.copy(tokenizer_file, merged / adapter)
    return merged / adapter


def _replace(new_dir: Path, demo_dir: Path) -> None:
    """Replace files of ``demo_dir`` with those of the same name in ``new_dir``."""
    for new in new_dir.iterdir():
        old = demo_dir / new.name
        if old.is_dir():
            shutil.rmtree(old)
        new.replace(old)


def main() -> None:
    """Generate everything in a temporary folder, evaluate it, and move it into place."""
    parser = argparse.ArgumentParser(prog="python -m include.demo.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=DEMO_DIR, help="folder to write to (default: %(default)s)")
    demo_dir = parser.parse_args().out
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    demo_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=demo_dir, prefix=".making-") as new_dir:
        make_demo(Path(new_dir))
        measure_f1(Path(new_dir))
        _replace(Path(new_dir), demo_dir)


if __name__ == "__main__":
    main()
