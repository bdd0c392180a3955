"""Samples of the weights' values: what is found in them, and how they are read."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Lock

from safetensors.torch import load_file, save_file

from include.checkpoint.checks.value_checks import value_defects
from include.checkpoint.checks.weights import read_weights
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.reading import UriReader


class SlowReader(UriReader):
    """Takes as long as a request, and notes how many are under way."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._under_way = self.most_at_once = 0

    def read(self, uri: str, offset: int, length: int) -> bytes:
        with self._lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        time.sleep(0.005)
        with self._lock:
            self._under_way -= 1
        return super().read(uri, offset, length)


def _damage(folder: Path) -> list[str]:
    """Put infinity into each projection of the MLPs; return their names in the order of the files and of the bytes."""
    for path in folder.glob("*.safetensors"):
        tensors = load_file(path)
        for name in filter(_is_damaged, tensors):
            tensors[name].fill_(float("inf"))
        save_file(tensors, path, {"format": "pt"})
    return [name for name in read_weights(checkpoint_of_folder(folder), UriReader()).tensors if _is_damaged(name)]


def _is_damaged(name: str) -> bool:
    return ".mlp." in name


def test_samples_are_read_several_at_once_and_defects_keep_the_order_of_the_tensors(own_base: Path) -> None:
    damaged = _damage(own_base)
    reader = SlowReader()
    weights = read_weights(checkpoint_of_folder(own_base, reader), reader)
    assert reader.most_at_once == 1

    found = list(value_defects(weights, reader))

    assert len(damaged) > 4
    assert [defect.expected.rpartition(" ")[2] for defect in found] == damaged
    assert reader.most_at_once > 4
