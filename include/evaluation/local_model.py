"""Score a checkpoint on this machine with transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from include.evaluation.dataset import Record
from include.evaluation.errors import NoScoresError
from include.evaluation.metrics import SCORES, Observation, score_record
from include.evaluation.prompts import render

_BATCH_SIZE = 32


def local_scores(
    checkpoint_dir: Path, records: Sequence[Record], prompt_template: str, max_tokens: int
) -> dict[str, float]:
    """Return the mean scores, by metric, of the Hugging Face checkpoint in ``checkpoint_dir``, decoded greedily.

    Raises:
        PromptTemplateError: the template cannot be filled.
        NoScoresError: ``records`` is empty.
    """
    prompts = [render(prompt_template, record.question) for record in records]
    answers = generate_greedily(checkpoint_dir, prompts, max_tokens)
    seen = (Observation(record.accepted_answers, answer) for answer, record in zip(answers, records, strict=True))
    scores = [score_record(observation) for observation in seen]
    if not scores:
        raise NoScoresError
    return {metric: fmean(one[metric] for one in scores) for metric in SCORES if metric in scores[0]}


def generate_greedily(checkpoint_dir: Path, prompts: Sequence[str], max_tokens: int) -> list[str]:
    """Return the checkpoint's answers to ``prompts``, in the dtype of its weights."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(
        checkpoint_dir, torch_dtype="auto", local_files_only=True, trust_remote_code=False
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(
        checkpoint_dir, padding_side="left", local_files_only=True, trust_remote_code=False
    )
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    batches = [prompts[start : start + _BATCH_SIZE] for start in range(0, len(prompts), _BATCH_SIZE)]
    return [answer for batch in batches for answer in _generate_batch(model, tokenizer, batch, max_tokens)]


def _generate_batch(model: Any, tokenizer: Any, prompts: Sequence[str], max_tokens: int) -> list[str]:
    inputs = tokenizer(list(prompts), return_tensors="pt", padding=True)
    outputs = model.generate(
        input_ids=inputs.input_ids,
        attention_mask=inputs.attention_mask,
        max_new_tokens=max_tokens,
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
    )
    answers: list[str] = tokenizer.batch_decode(outputs[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)
    return answers
