"""What the service says about a model card that it does not take; moto keeps none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

SCHEMA = Path(__file__).with_name("model_card_schema.json")


@cache
def _validator() -> Draft7Validator:
    return Draft7Validator(json.loads(SCHEMA.read_text("utf-8")))


def model_card_violations(card: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the ModelCard of a request, one sentence each; none when it is right."""
    if "ModelCardContent" not in card:
        return []
    try:
        content = json.loads(card["ModelCardContent"])
    except ValueError as error:
        return [f"ModelCardContent is not JSON: {error}"]
    return [f"{error.json_path}: {error.message}" for error in _validator().iter_errors(content)]
