"""Find the checkpoint among a source's files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from include.checkpoint.files.folder import DESCRIPTIONS, RAW_ADAPTER
from include.sources.errors import SourceAmbiguousError, SourceEmptyError
from include.sources.selection import is_checkpoint_file

Role = Literal["base", "adapter"]
WEIGHTS = ("*.safetensors", "consolidated*.pth", "pytorch_model*.bin", "adapter_model.bin")
# Where training jobs put the model that is meant to be used, the best first; then the only one, then the last step's.
PREFERRED_FOLDERS = ("", "checkpoints/hf_merged", "hf_merged", "checkpoints/hf", "model", "merged", "final")
_STEP = re.compile(r"(?:.*/)?checkpoint-(\d+)")


@dataclass(frozen=True)
class FoundCheckpoint:
    """The checkpoint's folder (relative, without a slash), its files, and the paths that do not belong to it."""

    folder: str
    names: tuple[str, ...]
    left: tuple[str, ...]

    def note(self) -> str:
        """Return a sentence about what was taken and what was left out."""
        taken = f"Took {len(self.names)} files from {self.folder or 'the top folder'}"
        left = ", ".join(self.left[:10]) + (f" and {len(self.left) - 10} more" if len(self.left) > 10 else "")
        return f"{taken}; left {left}" if self.left else taken


def find_checkpoint(uri: str, paths: Iterable[str], role: Role = "base") -> FoundCheckpoint:
    """Return the checkpoint among a source's relative paths; the role decides between models and adapters.

    Raises:
        SourceEmptyError: there is none.
        SourceAmbiguousError: there are several and none is preferred.
    """
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    candidates = [folder for folder, names in folders.items() if _is_checkpoint(folder, names)]
    if not candidates:
        raise SourceEmptyError(uri, _known_of([name for names in folders.values() for name in names]))
    fitting = [folder for folder in candidates if _is_adapter(folders[folder]) == (role == "adapter")]
    chosen = _choose(uri, fitting or candidates)
    names = tuple(name for name in folders[chosen] if is_checkpoint_file(name))
    return FoundCheckpoint(chosen, names, tuple(_left(folders, chosen, names)))


def _known_of(names: list[str]) -> str:
    """Return what was found, without the names of files that do not belong to a checkpoint."""
    known = sorted({name for name in names if name in DESCRIPTIONS or _is_weights(name)})[:10]
    others = len(names) - sum(1 for name in names if name in known)
    return ", ".join([*known, f"{others} other files"] if others else known) or "nothing"


def _is_weights(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in WEIGHTS)


def _is_checkpoint(folder: str, names: list[str]) -> bool:
    hidden = any(step.startswith(".") for step in folder.split("/"))
    weights = any(map(_is_weights, names))
    return weights and not hidden and any(name in DESCRIPTIONS for name in names)


def _is_adapter(names: Collection[str]) -> bool:
    peft = "adapter_config.json" in names and "config.json" not in names
    return peft or RAW_ADAPTER in names


def _choose(uri: str, candidates: list[str]) -> str:
    for folder in PREFERRED_FOLDERS:
        if folder in candidates:
            return folder
    steps = {folder: match for folder in candidates if (match := _STEP.fullmatch(folder))}
    others = [folder for folder in candidates if folder not in steps]
    if len(others) == 1:
        return others[0]
    if others or len({folder.rpartition("/")[0] for folder in steps}) > 1:
        raise SourceAmbiguousError(uri, tuple(candidates))
    return max(steps, key=lambda folder: int(steps[folder][1]))


def _left(folders: dict[str, list[str]], chosen: str, taken: tuple[str, ...]) -> Iterable[str]:
    for folder, names in folders.items():
        if folder == chosen:
            yield from (f"{folder}/{name}".lstrip("/") for name in names if name not in taken)
        else:
            yield f"{folder}/" if folder else "the top folder's files"
