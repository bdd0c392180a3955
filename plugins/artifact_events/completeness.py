"""Decide by file names whether a model artifact is complete.

No single file marks the end of an upload: trainers and ``aws s3 cp --recursive`` write in any order. But every file
that is written sends a message, the last one too, so it is enough to look again at each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

#: Files of weights, and the file of which there must be one beside them.
DESCRIBED_BY: Mapping[str, str] = {
    "adapter_model*.safetensors": "adapter_config.json",
    "adapter_model*.bin": "adapter_config.json",
    "consolidated*.safetensors": "params.json",
    "lora.safetensors": "params.json",
    "consolidated*.pth": "params.json",
    "*.safetensors": "config.json",
    "pytorch_model*.bin": "config.json",
}
ARCHIVES = (".tar.gz", ".tgz", ".tar")
#: What a SageMaker training job writes beside its model: /opt/ml/output/data, and its scripts.
OTHER_ARCHIVES = ("output.tar.gz", "sourcedir.tar.gz")
#: The folder in which transformers' Trainer keeps the state of a running training.
_INTERMEDIATE = re.compile(r"(^|/)checkpoint-\d+/")
_SHARD = re.compile(r"(?P<stem>.*)-\d{5}-of-(?P<count>\d{5})(?P<suffix>\.[a-z]+)")


def is_archive(name: str) -> bool:
    """Return whether the name is that of an archive, which is a whole artifact by itself."""
    return name.endswith(ARCHIVES) and name.rpartition("/")[2] not in OTHER_ARCHIVES


def missing_files(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the files that an artifact still lacks; empty if it is complete. Paths are relative to it.

    Every folder with weights must hold their description and all shards; there must be at least one such folder.
    The checkpoints of a running training are not looked at: the model that it ends with lands beside them.
    """
    folders: dict[str, set[str]] = {}
    for path in (path for path in paths if not _INTERMEDIATE.search(path)):
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, set()).add(name)
    with_weights = {folder: names for folder, names in folders.items() if any(map(_description_of, names))}
    if not with_weights:
        return ("weights",)
    return tuple(
        f"{folder}/{missing}".lstrip("/")
        for folder, names in sorted(with_weights.items())
        for missing in _missing_in_folder(names)
    )


def _description_of(name: str) -> str | None:
    return next((needed for pattern, needed in DESCRIBED_BY.items() if fnmatchcase(name, pattern)), None)


def _missing_in_folder(names: set[str]) -> list[str]:
    descriptions = {needed for name in names if (needed := _description_of(name))}
    shards = {shard for name in names for shard in _shards_beside(name)}
    return sorted((descriptions | shards) - names)


def _shards_beside(name: str) -> list[str]:
    match = _SHARD.fullmatch(name)
    if not match:
        return []
    count = int(match["count"])
    return [f"{match['stem']}-{number:05}-of-{count:05}{match['suffix']}" for number in range(1, count + 1)]
