"""Evaluate the demo's base model on this machine, for comparison with the imported model."""

from __future__ import annotations

from include.config.model import ModelConfig
from include.run.workspace import project_path


def base_scores(config: ModelConfig) -> dict[str, float]:
    """Return the base model's mean scores on the evaluation set, decoded greedily with transformers."""
    from include.evaluation.dataset import read_dataset
    from include.evaluation.local_model import local_scores

    evaluation = config.evaluation
    records = read_dataset(project_path(evaluation.dataset)).records
    return local_scores(project_path(config.base), records, evaluation.prompt_template, evaluation.max_tokens)
