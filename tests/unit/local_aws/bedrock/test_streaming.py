from __future__ import annotations

from threading import Event

import pytest

from include.local_aws.bedrock.errors import ModelFailedError
from include.local_aws.bedrock.inference import Finish, Inference
from include.local_aws.bedrock.streaming import OnText, Prepared, as_it_comes

WHOLE = Inference("ab", Finish.END_OF_TURN, 1, 2)


def test_pieces_come_before_the_whole_is_done() -> None:
    read = Event()

    def run(on_text: OnText) -> Inference:
        on_text("a", 1)
        assert read.wait(10)
        on_text("b", 2)
        return WHOLE

    stream = as_it_comes(Prepared(1, run))
    assert next(stream) == ("a", 1)
    read.set()
    assert list(stream) == [("b", 2), WHOLE]


def test_a_reader_who_goes_away_ends_the_generation() -> None:
    ended = Event()

    def run(on_text: OnText) -> Inference:
        while on_text("a", 1):
            pass
        ended.set()
        return WHOLE

    stream = as_it_comes(Prepared(1, run))
    next(stream)
    stream.close()
    assert ended.wait(10)


def test_an_error_of_the_generation_reaches_the_reader() -> None:
    def run(on_text: OnText) -> Inference:
        on_text("a", 1)
        raise ModelFailedError("out of memory")

    stream = as_it_comes(Prepared(1, run))
    assert next(stream) == ("a", 1)
    with pytest.raises(ModelFailedError, match="out of memory"):
        next(stream)
