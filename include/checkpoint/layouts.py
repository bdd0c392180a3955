"""The layouts of models and adapters that this project knows, recognised by the names of their files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from include.checkpoint.errors import LayoutMismatchError, SourceUnrecognisedError
from include.checkpoint.files.folder import DESCRIPTIONS, RAW_ADAPTER, is_hf_weights, list_files
from include.checkpoint.files.reading import LOCAL, RangeReader
from include.checkpoint.files.segments import Pin
from include.checkpoint.foreign_formats import foreign_format
from include.checkpoint.mistral.raw_params import PARAMS
from include.checkpoint.mistral.raw_weights import PATTERNS

SourceKind = Literal["hf", "hf_pickled", "raw_mistral", "adapter", "mistral_adapter"]
#: Layouts that Bedrock does not read; they are converted, and need a local copy for it.
CONVERTED: tuple[SourceKind, ...] = ("hf_pickled", "raw_mistral")
MODEL_KINDS: tuple[SourceKind, ...] = ("hf", *CONVERTED)
#: What each layout is called, and what to do with it where another one is needed.
_NEXT_STEPS: dict[SourceKind, tuple[str, str]] = {
    "hf": ("a Hugging Face model", "Use it as it is, or normalise it: python -m include.checkpoint normalise."),
    "hf_pickled": ("pickled weights", "Convert them first: python -m include.checkpoint convert."),
    "raw_mistral": ("a raw Mistral model", "Convert it first: python -m include.checkpoint convert."),
    "adapter": ("an adapter", "Merge it into its base model first: python -m include.checkpoint merge."),
    "mistral_adapter": ("an adapter", "Merge it into its base model first: python -m include.checkpoint merge."),
}
ADAPTER_KINDS: tuple[SourceKind, ...] = ("adapter", "mistral_adapter")
ADAPTER_CONFIG = "adapter_config.json"
MOST_NAMED = 10
#: Those of transformers, and of torchtune before it wrote safetensors.
PICKLED_WEIGHTS = ("pytorch_model*.bin", "hf_model_*.pt")


def kind_of(location: str | Path, reader: RangeReader = LOCAL) -> SourceKind:
    """Return what is at ``location``, by the names of its files alone; raises what ``inspect`` raises for them."""
    return layouts_at(location, list_files(location, reader))[0]


def layouts_at(location: str | Path, found: Mapping[str, Pin]) -> tuple[SourceKind, ...]:
    """Return the layouts that are there, the preferred one first; there is at least one."""
    layouts = tuple(kind for kind, is_there in _LAYOUTS.items() if is_there(found))
    if not layouts:
        raise unrecognised(location, found)
    return layouts


def is_pickled_weights(name: str) -> bool:
    """Return whether this is a top-level file of pickled weights in the Hugging Face layout."""
    return any(fnmatch(name, pattern) for pattern in PICKLED_WEIGHTS) and "/" not in name


def layout_mismatch(location: str | Path, kind: SourceKind, expected: str) -> LayoutMismatchError:
    """Return the error for a location with this layout where another one is ``expected``."""
    found, remedy = _NEXT_STEPS[kind]
    return LayoutMismatchError(str(location), expected, found, remedy)


def refuse_other_layouts(location: str | Path, reader: RangeReader = LOCAL) -> None:
    """Raise LayoutMismatchError or SourceUnrecognisedError where there is a model, but not as a Hugging Face folder.

    A Hugging Face folder that lacks files is none of these.
    """
    found = list_files(location, reader)
    layouts = [kind for kind, is_there in _LAYOUTS.items() if is_there(found)]
    if layouts and layouts[0] != "hf":
        raise layout_mismatch(location, layouts[0], "a Hugging Face model with safetensors weights")
    at_the_top = "config.json" in found or any(map(is_hf_weights, found))
    if not layouts and (foreign_format(found) or (_subfolders(found) and not at_the_top)):
        raise unrecognised(location, found)


def unrecognised(location: str | Path, names: Iterable[str]) -> SourceUnrecognisedError:
    """Return the error for a folder without a model of its own: it names the subfolders with one, or the format."""
    listed = list(names)
    known = foreign_format(listed)
    if known is not None and not _subfolders(listed):
        return SourceUnrecognisedError(str(location), known.name, known.remedy)
    return SourceUnrecognisedError(str(location), describe_unrecognised(listed))


def _subfolders(names: Iterable[str]) -> list[str]:
    """Return the subfolders that hold a description of a model."""
    listed = sorted(names)
    below = [name.rpartition("/")[0] for name in listed if name.rpartition("/")[2] in DESCRIPTIONS and "/" in name]
    return list(dict.fromkeys(below))


def describe_unrecognised(names: Iterable[str]) -> str:
    """Return what a folder without a model of its own holds: the subfolders with a model, or else its first files."""
    listed = sorted(names)
    if folders := _subfolders(listed):
        more = f" and {len(folders) - MOST_NAMED} more" if len(folders) > MOST_NAMED else ""
        return f"models in the subfolders {', '.join(folders[:MOST_NAMED])}{more}"
    return ", ".join(listed[:MOST_NAMED])


def has_file(*patterns: str) -> Callable[[Mapping[str, Pin]], bool]:
    return lambda found: any(fnmatch(name, pattern) and "/" not in name for name in found for pattern in patterns)


def _has_hf(found: Mapping[str, Pin]) -> bool:
    return "config.json" in found and any(map(is_hf_weights, found))


# In the order of preference: a Hugging Face model needs no work, an adapter beside a whole model is a by-product.
_LAYOUTS: dict[SourceKind, Callable[[Mapping[str, Pin]], bool]] = {
    "hf": _has_hf,
    "hf_pickled": lambda found: "config.json" in found and has_file(*PICKLED_WEIGHTS)(found),
    "raw_mistral": lambda found: PARAMS in found and has_file(*PATTERNS)(found),
    "adapter": has_file(ADAPTER_CONFIG),
    "mistral_adapter": lambda found: RAW_ADAPTER in found and PARAMS in found,
}
