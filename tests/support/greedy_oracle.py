"""transformers' own greedy answers, to hold others' answers to."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


class GreedyOracle:
    """A checkpoint, loaded by transformers in the precision of its files."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype="auto")

    def prompt_ids(self, prompt: str) -> list[int]:
        return list(self.tokenizer(prompt)["input_ids"])

    def chat_ids(self, messages: list[dict[str, str]]) -> list[int]:
        return list(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True))

    def ids(self, prompt_ids: list[int], max_tokens: int) -> list[int]:
        """The ids generated after the prompt's."""
        prompt = torch.tensor([prompt_ids])
        mask = torch.ones_like(prompt)
        output = self.model.generate(prompt, attention_mask=mask, do_sample=False, max_new_tokens=max_tokens)
        return list(output[0][len(prompt_ids) :].tolist())

    def text(self, prompt_ids: list[int], max_tokens: int) -> str:
        return self.decoded(self.ids(prompt_ids, max_tokens))

    def decoded(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))
