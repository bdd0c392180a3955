"""Values of templates: moto leaves an AWS::NoValue among the items of a list as null, CloudFormation takes it out."""

from __future__ import annotations

from typing import Any

from moto.cloudformation import parsing

_moto_clean_json = parsing.clean_json


def clean_json(resource_json: Any, resources_map: Any) -> Any:
    """Return what a part of a template stands for."""
    cleaned = _moto_clean_json(resource_json, resources_map)
    return [item for item in cleaned if item is not None] if isinstance(cleaned, list) else cleaned


def install() -> None:
    """Correct moto's CloudFormation in this process; its function calls itself by this name."""
    parsing.clean_json = clean_json
