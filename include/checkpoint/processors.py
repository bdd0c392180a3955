"""How images are prepared, as transformers 5 saves it, in the files and words of Bedrock's transformers.

Transformers 5 puts image and video processor into processor_config.json; transformers 4.51.3 reads them from files of
their own, and fails on such fields. Sources: processing_utils.py and image_processing_*.py of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.checkpoint.files.folder import PREPROCESSOR, PROCESSOR, VIDEO_PREPROCESSOR
from include.service.limits import TRANSFORMERS

#: The fields of processor_config.json that are files of their own.
PARTS = {"image_processor": PREPROCESSOR, "video_processor": VIDEO_PREPROCESSOR}
PROCESSOR_FILES = (PROCESSOR, *PARTS.values())
# 4.51.3 replaces size by its defaults in these, and reads the two other fields.
_SIZE_IGNORED = ("Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast")
_EDGES = {"min_pixels": "shortest_edge", "max_pixels": "longest_edge"}


def normalise_processors(files: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the processor files that change, by name, and a note on each change.

    ``files`` are processor_config.json and the files of PARTS, as far as there are any.
    """
    result = {name: dict(content) for name, content in files.items()}
    notes = _split(result)
    if PREPROCESSOR in result:
        notes += _fit_image_processor(result[PREPROCESSOR])
    return {name: content for name, content in result.items() if content != files.get(name)}, notes


def ignored_edges(processor: Mapping[str, Any]) -> dict[str, int]:
    """Return the fields that must be set for 4.51.3 to use the sizes of an image processor; empty where it does."""
    size = processor.get("size")
    if processor.get("image_processor_type") not in _SIZE_IGNORED or not isinstance(size, dict):
        return {}
    wanted = {name: size[edge] for name, edge in _EDGES.items() if isinstance(size.get(edge), int)}
    return {name: value for name, value in wanted.items() if processor.get(name) is None}


def _split(files: dict[str, dict[str, Any]]) -> list[str]:
    notes = []
    joined = files.get(PROCESSOR, {})
    for field, name in PARTS.items():
        part = joined.pop(field, None)
        if not isinstance(part, dict):
            continue
        if name not in files:
            named = {"processor_class": joined["processor_class"]} if "processor_class" in joined else {}
            files[name] = named | part
        notes.append(f"{name}: made of {field} in {PROCESSOR}.")
    return notes


def _fit_image_processor(processor: dict[str, Any]) -> list[str]:
    notes = []
    if edges := ignored_edges(processor):
        processor.update(edges)
        notes.append(f"{PREPROCESSOR}: {', '.join(edges)} as in size, which {TRANSFORMERS} ignores.")
    named = processor.get("image_processor_type")
    if isinstance(named, str) and named.endswith("Fast"):
        processor["image_processor_type"] = named.removesuffix("Fast")
        notes.append(f"{PREPROCESSOR}: {processor['image_processor_type']}, which needs no torchvision, not {named}.")
    return notes
