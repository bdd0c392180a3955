"""The folders of models in S3: no model's folder may be inside another's."""

from __future__ import annotations

from collections.abc import Mapping

from include.config.account import AccountConfig


def model_folder(model_name: str, account: AccountConfig) -> str:
    """Return the folder in S3 that holds a model's imports."""
    return "/".join(part for part in (account.bucket or "", account.prefix.strip("/"), model_name) if part) + "/"


def overlapping_model(model_name: str, account: AccountConfig, others: Mapping[str, AccountConfig]) -> str | None:
    """Return the model, by name, whose folder this model's is inside, or the other way round; None without one.

    Args:
        model_name: the model.
        account: its account settings, complete.
        others: those of the other models.
    """
    mine = model_folder(model_name, account)
    folders = {name: model_folder(name, other) for name, other in others.items() if name != model_name}
    return next((name for name, theirs in folders.items() if mine.startswith(theirs) or theirs.startswith(mine)), None)
