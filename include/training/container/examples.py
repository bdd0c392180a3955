"""Reads a file of prepared examples, memory-mapped: any size of file costs the memory of its index only."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from include.training.container.errors import ExamplesFileError, ExamplesMismatchError
from include.training.container.settings import Settings

FORMAT = "training-examples/1"
_LENGTH_BYTES = 8
_BLOCK = 1 << 24
_DTYPES: dict[str, tuple[str, str]] = {"tokens": ("I32", "<i4"), "trained": ("U8", "u1"), "starts": ("I64", "<i8")}
"""Each array's dtype, as safetensors and as numpy spell it."""

Integers = npt.NDArray[Any]


@dataclass(frozen=True)
class Examples:
    """Examples end to end: example ``i`` is ``tokens[starts[i]:starts[i + 1]]``, int32.

    ``trained`` is 1 where a token counts in the loss.
    """

    path: Path
    digest: str
    tokens: Integers
    trained: Integers
    starts: Integers

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def lengths(self) -> Integers:
        """The number of tokens of each example."""
        return np.diff(self.starts)

    @cached_property
    def targets(self) -> Integers:
        """The number of tokens of each example that a loss is computed for: an example's first token has none."""
        begins = self.starts[:-1]
        return np.add.reduceat(self.trained, begins, dtype=np.int64) - self.trained[begins]

    def example(self, index: int) -> tuple[Integers, Integers]:
        """Return an example's tokens, and which of them count in the loss."""
        part = slice(int(self.starts[index]), int(self.starts[index + 1]))
        return self.tokens[part], self.trained[part]


def read_examples(path: Path) -> Examples:
    """Return the examples in a file.

    Raises ExamplesFileError unless all arrays are there, agree with each other, and have the digest that the file
    names.
    """
    try:
        header, start = _read_header(path)
    except (OSError, ValueError) as error:
        raise ExamplesFileError(str(path), "a safetensors file", str(error)) from None
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != FORMAT:
        raise ExamplesFileError(str(path), f"format {FORMAT}", f"format {metadata.get('format')}")
    arrays = {name: _mapped(path, header, start, name) for name in _DTYPES}
    digest = _digest(arrays)
    if digest != metadata.get("digest"):
        raise ExamplesFileError(str(path), f"the digest {metadata.get('digest')}", digest)
    examples = Examples(path, digest, **arrays)
    _check_index(examples)
    return examples


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size > path.stat().st_size:
            raise ValueError(f"a header of {size} bytes in a file of {path.stat().st_size} bytes")
        header = json.loads(file.read(size))
    if not isinstance(header, dict):
        raise ValueError("a header that is not a JSON object")
    return header, _LENGTH_BYTES + size


def _mapped(path: Path, header: dict[str, Any], start: int, name: str) -> Integers:
    stored, dtype = _DTYPES[name]
    entry = header.get(name, {})
    if entry.get("dtype") != stored or len(entry.get("shape", ())) != 1 or entry["shape"][0] == 0:
        raise ExamplesFileError(str(path), f"{name}: {stored} with one dimension, not empty", json.dumps(entry))
    try:
        return np.memmap(path, dtype, "r", start + entry["data_offsets"][0], (entry["shape"][0],))
    except (LookupError, TypeError, ValueError) as error:
        raise ExamplesFileError(str(path), f"{entry['shape'][0]} elements of {name}", str(error)) from None


def _digest(arrays: dict[str, Integers]) -> str:
    digest = hashlib.sha256()
    for array in arrays.values():
        flat = array.view("u1")
        for begin in range(0, len(flat), _BLOCK):
            digest.update(flat[begin : begin + _BLOCK].data)
    return digest.hexdigest()


def _check_index(examples: Examples) -> None:
    starts, tokens = examples.starts, len(examples.tokens)
    if len(examples) < 1:
        raise ExamplesFileError(str(examples.path), "at least one example", "none")
    if starts[0] != 0 or starts[-1] != tokens or (np.diff(starts) <= 0).any() or len(examples.trained) != tokens:
        expected = f"starts that rise from 0 to the number of tokens, and as many entries of trained ({tokens})"
        found = f"starts from {starts[0]} to {starts[-1]}, {len(examples.trained)} entries of trained"
        raise ExamplesFileError(str(examples.path), expected, found)
    if not examples.targets.any():
        raise ExamplesFileError(str(examples.path), "tokens that count in the loss", "none")


def check_examples(examples: Examples, settings: Settings, vocabulary: int) -> None:
    """Check that the settings and the base model's vocabulary fit the examples.

    Raises:
        ExamplesMismatchError: an example is too long, or a token is not in the vocabulary.
    """
    path, longest = str(examples.path), int(examples.lengths.max())
    if longest > settings.max_sequence_length:
        expected = f"examples of at most max_sequence_length = {settings.max_sequence_length} tokens"
        remedy = "Prepare the data set with these settings, or raise max_sequence_length."
        raise ExamplesMismatchError(path, expected, f"one of {longest} tokens", remedy)
    lowest, highest = int(examples.tokens.min()), int(examples.tokens.max())
    if lowest < 0 or highest >= vocabulary:
        expected, found = f"tokens from 0 to {vocabulary - 1}", f"tokens from {lowest} to {highest}"
        remedy = "Prepare the data set with the base model's own tokenizer."
        raise ExamplesMismatchError(path, expected, found, remedy)


def check_digest(examples: Examples, settings: Settings) -> None:
    """Check that the examples are those that the settings are for.

    Raises:
        ExamplesMismatchError: the settings name another digest.
    """
    if settings.data_digest not in ("", examples.digest):
        remedy = "Copy the data set that the settings were written for, or write the settings again."
        expected = f"data_digest = {settings.data_digest}"
        raise ExamplesMismatchError(str(examples.path), expected, examples.digest, remedy)
