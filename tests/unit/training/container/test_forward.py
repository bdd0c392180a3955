"""Packed, padded and single examples have the same losses, and those are transformers' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from include.training.container import forward
from include.training.container.batches import Rows
from include.training.container.examples import Examples, read_examples
from include.training.container.forward import IGNORED, collate, token_losses, without_targets
from tests.support.tiny_training import random_examples, write_examples

CPU = torch.device("cpu")
PACKED: Rows = [[4, 0, 2], [1, 5, 3]]
PADDED: Rows = [[0], [1], [2], [3], [4], [5]]
SIZES = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.5}  # fmt: skip
FAMILIES = {
    "mistral": {"sliding_window": None},
    "mistral with a sliding window": {"model_type": "mistral", "sliding_window": 5},
    "llama": {},
    "qwen2": {"sliding_window": 5, "use_sliding_window": False},
    "mixtral": {"num_local_experts": 3},
}


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    folder = tmp_path_factory.mktemp("examples")
    return read_examples(write_examples(folder / "train.safetensors", random_examples(6, longest=20)))


def make(family: str, **changes: Any) -> Any:
    torch.manual_seed(1)
    config = AutoConfig.for_model(**{"model_type": family} | SIZES | FAMILIES[family] | changes)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()


def losses_of(model: Any, rows: Rows, examples: Examples) -> torch.Tensor:
    """Return the sum of each example's losses."""
    with torch.no_grad():
        losses, owner = token_losses(model, collate(rows, examples), CPU)
    return torch.stack([losses[owner == index].sum() for index in range(len(examples))])


def losses_by_transformers(model: Any, examples: Examples) -> torch.Tensor:
    """Return the same from transformers' own loss of each example alone."""
    found = []
    for index in range(len(examples)):
        tokens, trained = (torch.from_numpy(array.astype("int64"))[None] for array in examples.example(index))
        labels = torch.where(trained == 1, tokens, IGNORED)
        with torch.no_grad():
            loss = model(input_ids=tokens, labels=labels).loss
        found.append(loss * int(examples.targets[index]))
    return torch.stack(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_example_has_the_loss_that_transformers_gives_it_alone_however_it_is_packed(
    family: str, examples: Examples
) -> None:
    model = make(family)
    ours = [losses_of(model, rows, examples) for rows in (PACKED, PADDED, [[0, 1, 2, 3, 4, 5]])]
    if family == "qwen2":  # the masks that transformers 4.51.3 makes itself obey a window that is switched off
        model.config.sliding_window = None
    alone = losses_by_transformers(model, examples)
    assert alone.min() > 1
    for losses in ours:
        torch.testing.assert_close(losses, alone, rtol=1e-4, atol=1e-4)


def test_without_its_mask_or_positions_a_packed_example_would_have_another_loss(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make("mistral")
    alone = losses_of(model, PADDED, examples)
    with monkeypatch.context() as patched:
        mask = forward.attention_mask
        patched.setattr(forward, "attention_mask", lambda owner, *rest: mask(torch.zeros_like(owner), *rest))
        assert (losses_of(model, PACKED, examples) - alone).abs().max() > 0.1
    torch.testing.assert_close(losses_of(model, PACKED, examples), alone, rtol=1e-4, atol=1e-4)


def test_packed_and_padded_examples_have_the_same_gradients(examples: Examples) -> None:
    gradients = []
    for rows in (PACKED, PADDED):
        model = make("mistral")
        token_losses(model, collate(rows, examples), CPU)[0].sum().backward()
        gradients.append(model.model.layers[0].self_attn.q_proj.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-4)


def test_a_token_after_the_end_of_an_example_is_not_predicted_from_it(examples: Examples) -> None:
    batch = collate(PACKED, examples)
    for number, row in enumerate(PACKED):
        ends = torch.tensor([int(examples.lengths[index]) for index in row]).cumsum(0) - 1
        assert (batch.labels[number, ends] == IGNORED).all()


def test_a_pass_that_only_takes_part_has_no_loss_and_no_gradient(examples: Examples) -> None:
    model = make("mistral")
    losses, _ = token_losses(model, without_targets(collate([[0]], examples)), CPU)
    losses.sum().backward()
    assert losses.sum() == 0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in model.parameters())


def test_the_mask_is_never_empty_for_padding(tmp_path: Path) -> None:
    mask = forward.attention_mask(torch.tensor([[0, 0, -1, -1]]), None, torch.float32)
    assert (mask == 0).any(dim=-1).all()
