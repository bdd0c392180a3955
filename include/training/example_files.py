"""Tokenised examples in a safetensors file, end to end, so that a job maps them into memory.

``starts`` (int64, examples + 1), ``tokens`` (int32) and ``trained`` (uint8, 1 where a token counts in the loss);
example i is ``tokens[starts[i]:starts[i + 1]]``. The metadata hold the format, and the SHA-256 of the bytes of tokens,
trained and starts.
"""

from __future__ import annotations

import hashlib
import shutil
from array import array
from pathlib import Path
from typing import NamedTuple

import numpy as np

from include.checkpoint.files.atomic import sync
from include.checkpoint.files.safetensors_header import format_header
from include.training.encoding import Example

FORMAT = "training-examples/1"
_COPY_BYTES = 2**20


class ExampleFile(NamedTuple):
    """What a file holds."""

    digest: str
    examples: int
    tokens: int
    trained_tokens: int


class ExampleWriter:
    """Writes examples one after the other; in memory it keeps 8 bytes of each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts = [path.with_suffix(f".{name}") for name in ("tokens", "trained")]
        self._tokens, self._trained = (part.open("wb") for part in self._parts)
        self._digest = hashlib.sha256()
        self._starts = array("q", [0])
        self._trained_count = 0

    def add(self, example: Example) -> None:
        """Write an example."""
        tokens = np.asarray(example.tokens, "<i4").tobytes()
        trained = np.zeros(len(example.tokens), np.uint8)
        for start, end in example.trained:
            trained[start:end] = 1
            self._trained_count += end - start
        self._digest.update(tokens)
        self._tokens.write(tokens)
        self._trained.write(trained.tobytes())
        self._starts.append(self._starts[-1] + len(example.tokens))

    def finish(self) -> ExampleFile:
        """Put the file together, on the disk as a whole, and return what it holds."""
        self.close()
        starts = np.asarray(self._starts, "<i8").tobytes()
        with self._parts[1].open("rb") as trained:
            while piece := trained.read(_COPY_BYTES):
                self._digest.update(piece)
        self._digest.update(starts)
        count, tokens = len(self._starts) - 1, self._starts[-1]
        # The widest numbers first, so that each array begins where a processor reads it at once.
        arrays = [("starts", "I64", (count + 1,)), ("tokens", "I32", (tokens,)), ("trained", "U8", (tokens,))]
        with self._path.open("wb") as out:
            out.write(format_header(arrays, {"format": FORMAT, "digest": self._digest.hexdigest()}))
            out.write(starts)
            for part in self._parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, out, _COPY_BYTES)
                part.unlink()
        sync(self._path)
        return ExampleFile(self._digest.hexdigest(), count, tokens, self._trained_count)

    def close(self) -> None:
        """Close the files that the arrays are collected in."""
        self._tokens.close()
        self._trained.close()
