"""Bedrock's dated limits, regions, architectures and prices, read from ``limits.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

LIMITS_FILE = Path(__file__).with_name("limits.yaml")


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _DatedBlock(_Block):
    as_of: str
    source: str


class Regions(_DatedBlock):
    """Regions in which models can be imported."""

    names: tuple[str, ...]


class Architecture(_Block):
    """The limits of one ``model_type``."""

    classes: tuple[str, ...]
    modality: Literal["text", "multimodal"]
    converse: bool
    regions: tuple[str, ...] | None = None
    quantized: bool = False


class Architectures(_DatedBlock):
    """Importable architectures by config.json's ``model_type``."""

    supported: dict[str, Architecture]


class CheckpointLimits(_DatedBlock):
    """Limits of a checkpoint's files; sizes in bytes, context in tokens."""

    transformers_version: str
    dtypes: tuple[str, ...]
    max_bytes: dict[Literal["text", "multimodal"], int]
    max_context: int
    tokenizer_classes: tuple[str, ...]


class RopeScaling(_DatedBlock):
    """The parameters of rotary embeddings with which Bedrock serves Llama 3."""

    factor: float
    original_max_position_embeddings: int
    low_freq_factor: float
    high_freq_factor: float

    def values(self) -> dict[str, float]:
        """Return the parameters by their names in ``rope_scaling`` of config.json."""
        return self.model_dump(exclude={"as_of", "source"})


class EndTokens(_DatedBlock):
    """The ``eos_token_id`` that generation_config.json must have, by ``model_type``."""

    by_model_type: dict[str, tuple[int, ...]]


class Quotas(_DatedBlock):
    """Default service quotas per account and region, and their quota codes."""

    import_jobs: int
    import_jobs_code: str
    imported_models: int
    imported_models_code: str


class Prices(_DatedBlock):
    """US dollars per Custom Model Unit, by unit version and region."""

    window_minutes: int
    storage_per_unit_month: float
    per_unit_minute: dict[str, dict[str, float]]


class S3Prices(_DatedBlock):
    """US dollars of storage, and of requests: those that write, copy or list, and those that read, in ``regions``."""

    regions: tuple[str, ...]
    storage_per_gigabyte_month: float
    per_thousand_writes: float
    per_thousand_reads: float


class Limits(_Block):
    """The whole of ``limits.yaml``."""

    regions: Regions
    architectures: Architectures
    checkpoint: CheckpointLimits
    llama3_rope_scaling: RopeScaling
    end_tokens: EndTokens
    quotas: Quotas
    prices: Prices
    s3_prices: S3Prices


def _stringify_dates(block: dict[str, object]) -> dict[str, object]:
    return {key: str(value) if key == "as_of" else value for key, value in block.items()}


@cache
def load_limits() -> Limits:
    """Return the limits of ``limits.yaml``.

    Raises:
        pydantic.ValidationError: the file does not have the expected fields.
    """
    raw = yaml.load(LIMITS_FILE.read_text(encoding="utf-8"), yaml.CSafeLoader)  # six times as fast: every task reads it
    return Limits.model_validate({name: _stringify_dates(block) for name, block in raw.items()})


#: The transformers that Bedrock runs, as messages name it.
TRANSFORMERS = f"transformers {load_limits().checkpoint.transformers_version}"
