"""Formats of trainers and hubs that this project does not read, by their files' names, and what to do about each.

Sources: the documentation of DeepSpeed (zero_to_fp32.py), accelerate (merge-weights), llama.cpp and SageMaker.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from typing import NamedTuple


class ForeignFormat(NamedTuple):
    """File names of a format, its name, and what makes a model of it."""

    patterns: tuple[str, ...]
    name: str
    remedy: str


FORMATS = (
    ForeignFormat(
        ("*zero_pp_rank_*", "*mp_rank_*_states.pt"),
        "a checkpoint of DeepSpeed, whose weights are in parts",
        "Join them where it was trained: python zero_to_fp32.py . OUT --safe_serialization; "
        "copy config.json and the tokenizer to OUT.",
    ),
    ForeignFormat(
        ("*.distcp",),
        "a sharded checkpoint of FSDP, whose weights are in parts",
        "Join them where it was trained: accelerate merge-weights FOLDER OUT; "
        "copy config.json and the tokenizer to OUT.",
    ),
    ForeignFormat(
        ("*.gguf",),
        "a GGUF model",
        "Give the safetensors model that it was made from; GGUF is for other servers, and often quantized.",
    ),
    ForeignFormat(
        ("*.tar.gz", "*.tgz", "*.tar", "*.zip"),
        "an archive",
        "Unpack it and give the folder; a DAG unpacks model.tar.gz of a SageMaker training job itself.",
    ),
    ForeignFormat(
        ("*.nemo", "*.onnx", "tf_model.h5", "flax_model.msgpack", "*.ckpt"),
        "a model of another library",
        "Load it where it was made, and save it with save_pretrained of transformers.",
    ),
)


def foreign_format(names: Iterable[str]) -> ForeignFormat | None:
    """Return the first of FORMATS that one of the files is of, or None."""
    listed = list(names)
    return next(
        (known for known in FORMATS if any(fnmatch(name, pattern) for name in listed for pattern in known.patterns)),
        None,
    )
