"""The retention policies that the models' files state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.config.model import RetentionConfig, read_model_file
from include.retention.selection import RetentionPolicies


def read_policies(models_folder: Path, changes: Mapping[str, Any] | None = None) -> RetentionPolicies:
    """Return each model file's policy, and the default one, all with the same changes.

    Args:
        models_folder: the folder with a YAML file per model.
        changes: fields of the policy that hold for every model, whatever its file says.

    Raises:
        ModelFileInvalidError: a model's file cannot be read, so its policy is not known.
    """

    def changed(policy: RetentionConfig) -> RetentionConfig:
        return RetentionConfig.model_validate({**policy.model_dump(), **(changes or {})})

    files = sorted(path for path in models_folder.iterdir() if path.suffix in {".yaml", ".yml"})
    configs = [read_model_file(path) for path in files]
    return RetentionPolicies(
        default=changed(RetentionConfig()),
        by_group={config.model_name: changed(config.retention) for config in configs},
    )
