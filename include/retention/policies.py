"""Read the retention policies from the models' files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.config.files import read_model_files
from include.config.model import RetentionConfig
from include.retention.selection import RetentionPolicies


def read_policies(models_folder: Path, changes: Mapping[str, Any] | None = None) -> RetentionPolicies:
    """Return each model file's policy, and the default one, all with the same changes.

    Args:
        models_folder: the folder with a YAML file per model.
        changes: policy fields that override every model's file.

    Raises:
        BrokenModelFilesError: a model's file cannot be read, so its policy is not known.
    """

    def changed(policy: RetentionConfig) -> RetentionConfig:
        return RetentionConfig.model_validate({**policy.model_dump(), **(changes or {})})

    files = read_model_files(models_folder)
    files.raise_on_errors()
    return RetentionPolicies(
        default=changed(RetentionConfig()),
        by_group={name: changed(config.retention) for name, config in files.configs.items()},
    )
