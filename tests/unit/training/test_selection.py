from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np

from include.training.conversations import Conversation
from include.training.selection import Draw
from tests.support.training_data import asked

RECORDS = [asked(f"Question {number}?", f"Answer {number}") for number in range(2000)]


def held_out(records: Sequence[Conversation], seed: int = 0, share: float = 0.1) -> set[str]:
    draw = Draw(seed)
    draw.add(records)
    return {records[index].prompt for index in np.flatnonzero(draw.held_out(share))}


def test_about_the_share_is_held_out_and_another_seed_holds_out_others() -> None:
    assert 150 < len(held_out(RECORDS)) < 250
    assert held_out(RECORDS) != held_out(RECORDS, seed=1)


def test_a_record_keeps_its_side_when_others_come_go_and_change_places() -> None:
    half = list(reversed(RECORDS[::2]))
    assert held_out(half) == held_out(RECORDS) & {record.prompt for record in half}


def test_records_that_ask_the_same_are_on_the_same_side() -> None:
    again = [asked(record.prompt.upper(), "Another answer", system="Be brief.") for record in RECORDS]
    assert {prompt.lower() for prompt in held_out(again)} == {prompt.lower() for prompt in held_out(RECORDS)}


def test_the_same_number_is_drawn_and_mostly_the_same_records_when_some_are_added() -> None:
    drawn = []
    for records in (RECORDS[:1000], RECORDS[:1100]):
        draw = Draw(3)
        draw.add(records)
        chosen = np.flatnonzero(draw.drawn(np.ones(len(records), np.bool_), 100)).tolist()
        assert len(chosen) == 100
        drawn.append(set(chosen))
    assert len(drawn[0] & drawn[1]) >= 80


def test_only_records_that_are_left_are_drawn() -> None:
    draw, left = Draw(0), np.arange(len(RECORDS)) % 3 == 0
    draw.add(RECORDS)
    assert not (draw.drawn(left, 50) & ~left).any()
    assert (draw.drawn(left, None) == left).all()


def test_the_split_is_the_same_in_every_process() -> None:
    program = (
        "from include.training.selection import Draw; from tests.support.training_data import asked; draw = Draw(0); "
        "draw.add([asked(f'Question {number}?', '') for number in range(50)]); print(draw.held_out(0.1).nonzero()[0])"
    )
    command = [sys.executable, "-c", program]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    draw = Draw(0)
    draw.add(RECORDS[:50])
    assert said[0] == said[1] == f"{np.flatnonzero(draw.held_out(0.1))}\n"
