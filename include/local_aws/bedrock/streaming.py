"""An inference as it comes: its text piece by piece, while the rest is still being generated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread

from include.local_aws.bedrock.inference import Inference

logger = logging.getLogger(__name__)

OnText = Callable[[str, int], bool]
"""Takes a new piece of text and the number of tokens so far; returns whether more is wanted."""


@dataclass(frozen=True)
class Prepared:
    """An inference that may begin: the model is in memory and the prompt fits."""

    prompt_tokens: int
    run: Callable[[OnText], Inference]


def as_it_comes(prepared: Prepared) -> Generator[tuple[str, int] | Inference, None, None]:
    """Yield each new text with the tokens so far, and last the whole. A reader who goes away ends the generation."""
    items: SimpleQueue[tuple[str, int] | Inference | Exception] = SimpleQueue()
    gone = Event()

    def on_text(text: str, tokens: int) -> bool:
        items.put((text, tokens))
        return not gone.is_set()

    def work() -> None:
        try:
            items.put(prepared.run(on_text))
        except Exception as error:
            logger.exception("The generation failed")
            items.put(error)

    Thread(target=work, name="generate", daemon=True).start()
    try:
        while not isinstance(item := items.get(), Inference):
            if isinstance(item, Exception):
                raise item
            yield item
        yield item
    finally:
        gone.set()
