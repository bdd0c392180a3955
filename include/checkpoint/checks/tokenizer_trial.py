"""Load a tokenizer.json, and put every text beside it through its normalizer; ``tokenizer_checks`` runs it in limits.

The library tokenizers trusts the file: a damaged map of characters ends the process, and normalizers that each make a
text ten times as long are applied to every added token. It does so when it loads, before it has a text to encode.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    """Read {"folder": …} from standard input, and end when the tokenizer has read a text."""
    from tokenizers import Tokenizer

    folder = Path(json.load(sys.stdin)["folder"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if tokenizer.normalizer:
        for path in sorted(folder.glob("*.json")):
            for text in set() if path.name == "tokenizer.json" else set(_texts(json.loads(path.read_bytes()))):
                tokenizer.normalizer.normalize_str(text)
    tokenizer.encode("Hello world")


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value: transformers adds some of them to the tokenizer."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


if __name__ == "__main__":
    main()
