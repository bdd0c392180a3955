"""Select the files of a folder that belong to a checkpoint."""

from __future__ import annotations

from fnmatch import fnmatchcase

# What transformers, peft and Mistral's own tools read. A checkpoint is flat: nothing in subfolders belongs to it.
CHECKPOINT_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.model.v*", "*.txt", "*.pth", "*.bin")
# What trainers leave beside it.
TRAINING_LEFTOVERS = (
    ".*",
    "*_results.json",
    "LICENSE*",
    "README*",
    "USE_POLICY*",
    "optimizer*",
    "requirements*.txt",
    "rng_state*",
    "scheduler*",
    "trainer_*.json",
    "training_args*",
)


def is_checkpoint_file(name: str) -> bool:
    """Return whether a file with this name, relative to the checkpoint's folder, is part of the checkpoint."""
    return "/" not in name and _matches(name, CHECKPOINT_FILES) and not _matches(name, TRAINING_LEFTOVERS)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
