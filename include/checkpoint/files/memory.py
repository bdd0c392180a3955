"""Refuse work for which the machine has too little memory now."""

from __future__ import annotations

from include.checkpoint.errors import MemoryShortError


def refuse_short_memory(doing: str, wanted: int) -> None:
    """Raise MemoryShortError unless the machine has this many bytes available."""
    import psutil  # type: ignore[import-untyped, unused-ignore]

    free = psutil.virtual_memory().available
    if free < wanted:
        raise MemoryShortError(doing, wanted, free)
