"""The dated rules of Custom Model Import, from service_rules.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

RULES_FILE = Path(__file__).with_name("service_rules.yaml")


class Rule(BaseModel):
    """Frozen; unknown keys of the file are for readers, such as its date."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Architecture(Rule):
    """What is accepted for one `model_type`."""

    classes: tuple[str, ...]
    converse: bool
    loader: str = "AutoModelForCausalLM"
    multimodal: bool = False
    quantized: bool = False
    regions: tuple[str, ...] | None = None


class UnitStep(Rule):
    """Models of up to this many parameters take this many Custom Model Units per copy."""

    parameters: int
    units: int


class WeightBytes(Rule):
    """The largest total size of the weights."""

    text: int
    multimodal: int


class ServiceRules(Rule):
    """The whole file."""

    regions: tuple[str, ...]
    weight_bytes: WeightBytes
    max_tags: int
    tokenizer_classes: tuple[str, ...]
    llama3_rope_scaling: dict[str, str | float]
    custom_model_units: tuple[UnitStep, ...]
    architectures: dict[str, Architecture]

    def units_for(self, parameters: int) -> int:
        """Return the Custom Model Units of one copy of a model with this many parameters."""
        steps = (step.units for step in self.custom_model_units if parameters <= step.parameters)
        return next(steps, self.custom_model_units[-1].units)

    def max_weight_bytes(self, architecture: Architecture) -> int:
        """Return the largest total size of the weights of this architecture."""
        return self.weight_bytes.multimodal if architecture.multimodal else self.weight_bytes.text


@cache
def service_rules() -> ServiceRules:
    """Return the rules, read once."""
    return ServiceRules.model_validate(yaml.safe_load(RULES_FILE.read_text(encoding="utf-8")))
