"""Match every regular expression of a job with every name; ``name_patterns`` runs it within limits."""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    """Read {"expressions": [...], "names": [...]} from standard input, and end when all were matched."""
    job = json.load(sys.stdin)
    for expression in job["expressions"]:
        compiled = re.compile(expression)
        for name in job["names"]:
            compiled.match(name)


if __name__ == "__main__":
    main()
