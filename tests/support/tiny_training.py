"""A training job's folders with a tiny base model and a few examples."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from include.training.container import bootstrap
from include.training.container.folders import Folders
from tests.support.tiny_mistral import save_tiny_mistral

SETTINGS: dict[str, Any] = {
    "method": "lora",
    "seed": 11,
    "max_sequence_length": 64,
    "lora": {"r": 4, "alpha": 8, "dropout": 0.2, "target_modules": "all-linear"},
    "epochs": 2,
    "learning_rate": 0.01,
    "batch_tokens": 128,
    "warmup": 0.1,
    "save_minutes": 60,
    "packing": True,
    "base_name": "tiny",
}

NO_DROPOUT = {"lora": {**SETTINGS["lora"], "dropout": 0.0}}

Example = tuple[Sequence[int], Sequence[int]]
"""The tokens of an example, and 1 for each that counts in the loss."""


def random_examples(count: int, longest: int = 40, vocabulary: int = 90, seed: int = 3) -> list[Example]:
    """Return examples of many lengths, whose answers count up from their last question's token."""
    rng, found = random.Random(seed), []
    for _ in range(count):
        length = rng.randint(4, longest)
        question = rng.randint(2, length - 1)
        tokens = [1, *(rng.randrange(3, vocabulary) for _ in range(question - 1))]
        tokens += [3 + (tokens[-1] + number) % (vocabulary - 3) for number in range(length - question)]
        found.append((tokens, [0] * question + [1] * (length - question)))
    return found


def write_examples(path: Path, examples: Sequence[Example], **metadata: str) -> Path:
    """Write examples in the form that the training script reads; `metadata` changes what the file says of itself."""
    arrays = {
        "tokens": np.array([token for tokens, _ in examples for token in tokens], dtype=np.int32),
        "trained": np.array([mark for _, trained in examples for mark in trained], dtype=np.uint8),
        "starts": np.cumsum([0, *(len(tokens) for tokens, _ in examples)], dtype=np.int64),
    }
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(arrays, path, metadata={"format": "training-examples/1", "digest": digest} | metadata)
    return path


def make_job(root: Path, settings: dict[str, Any] | None = None, examples: int = 24, **model: Any) -> Folders:
    """Write all inputs of a job below a folder; `model` changes what MistralConfig is given."""
    folders = Folders(root)
    save_tiny_mistral(folders.channel("model"), **{"num_hidden_layers": 1, "initializer_range": 0.1} | model)
    write_examples(folders.train, random_examples(examples))
    write_examples(folders.held_out, random_examples(6, seed=4))
    folders.tokenizer.mkdir()
    for path in folders.channel("model").glob("*token*.json"):
        (folders.tokenizer / path.name).write_bytes(path.read_bytes())
    change_settings(folders, settings or {})
    return folders


def change_settings(folders: Folders, settings: dict[str, Any]) -> None:
    """Write the settings file; None removes a field."""
    folders.settings.parent.mkdir(parents=True, exist_ok=True)
    values = {name: value for name, value in (SETTINGS | settings).items() if value is not None}
    folders.settings.write_text(json.dumps(values), "utf-8")


def ship(folders: Folders, requirements: str = "") -> Path:
    """Put the script into the job's code channel, and return its entrypoint."""
    code = folders.channel("code")
    shutil.copytree(bootstrap.HERE, code, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "requirements.txt").write_text(requirements, "utf-8")
    return code / "bootstrap.py"
