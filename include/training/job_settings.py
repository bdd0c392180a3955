"""The settings of the training script, as its `settings.json` has them."""

from __future__ import annotations

from typing import Any

from include.config.training import TrainingConfig

_FIELDS = (
    "seed",
    "max_sequence_length",
    "method",
    "lora",
    "epochs",
    "learning_rate",
    "batch_tokens",
    "warmup",
    "save_minutes",
    "packing",
)


def job_settings(training: TrainingConfig, base: str, data_digest: str, base_digest: str) -> dict[str, Any]:
    """Return what the script has to know: how it trains, and on which data and base.

    Args:
        training: the section of the model's file.
        base: the base's name, for the adapter's configuration.
        data_digest: the one that ``train.safetensors`` names.
        base_digest: the fingerprint of the base's files.
    """
    inputs = {"base_name": base, "data_digest": data_digest, "base_digest": base_digest}
    return training.model_dump(mode="json", include=set(_FIELDS)) | inputs
