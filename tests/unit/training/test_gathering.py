"""Memory does not grow with the data, except for some bytes of each record."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import pytest

from include.config.account import AccountConfig
from include.config.training import TrainingConfig
from include.evaluation.dataset import Dataset, Record
from include.training.gathering import gather
from include.training.records import RecordReader, open_training_file
from include.training.spool import Spool
from tests.support.training_data import write_jsonl

WORDS = [f"word{number}" for number in range(500)]
#: Of 2.5 kB each.
FEW, MANY = 300, 3000


def peak(folder: Path, count: int) -> int:
    """Return the most memory, in bytes, that is taken while so many records are looked at."""
    drawn = random.Random(0)
    rows = ({"prompt": " ".join(drawn.choices(WORDS, k=300)), "completion": "x " * 150} for _ in range(count))
    path = write_jsonl(folder / "data.jsonl", rows)
    training = TrainingConfig(data=str(path), format="prompt_completion")
    evaluation = Dataset("evaluation", "0", (Record(0, "Why?", "So"),), 1)
    account = AccountConfig(local_folders=str(folder))
    with open_training_file(str(path), account, None, folder) as opened, Spool(folder / "spool") as spool:
        records = RecordReader(opened, "prompt_completion", None)
        tracemalloc.start()
        try:
            gathered = gather(records, spool, training, [evaluation], lambda first: None, lambda line: None)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert gathered.counts.used == count
    return most


def test_records_are_on_the_disk_and_not_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.training.gathering.BATCH_RECORDS", 50)
    peak(tmp_path, FEW)  # loads modules
    few, many = peak(tmp_path, FEW), peak(tmp_path, MANY)
    assert (tmp_path / "data.jsonl").stat().st_size > 6_000_000
    assert many - few < 1_000_000
