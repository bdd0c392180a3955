from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from include.sources.cache import SourceCache
from include.sources.errors import CacheFullError


def writes(size: int, note: str = "filled") -> Callable[[Path], tuple[str, ...]]:
    def fill(folder: Path) -> tuple[str, ...]:
        (folder / "model.bin").write_bytes(bytes(size))
        return (note,)

    return fill


def refuses(folder: Path) -> tuple[str, ...]:
    (folder / "model.bin").write_bytes(b"half")
    raise ConnectionError


def never(folder: Path) -> tuple[str, ...]:
    raise AssertionError(folder)


def age(entry: Path, seconds: float) -> None:
    os.utime(entry.parent, (time.time() - seconds,) * 2)


def test_a_source_is_fetched_once_and_its_notes_are_kept(tmp_path: Path) -> None:
    cache = SourceCache(tmp_path / "cache", max_bytes=1000)
    first = cache.get("a", writes(10, "took 1 file"))
    assert (first.folder / "model.bin").read_bytes() == bytes(10)
    assert SourceCache(tmp_path / "cache", max_bytes=1000).get("a", never) == first
    assert first.notes == ("took 1 file",)


def test_what_could_not_be_fetched_leaves_nothing(tmp_path: Path) -> None:
    cache = SourceCache(tmp_path, max_bytes=1000)
    with pytest.raises(ConnectionError):
        cache.get("a", refuses)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert cache.get("a", writes(10)).folder.is_dir()


def test_what_a_killed_worker_left_is_not_taken_for_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.filling" / "files").mkdir(parents=True)
    (tmp_path / "a.filling" / "files" / "model.bin").write_bytes(b"half")
    entry = SourceCache(tmp_path, max_bytes=1000).get("a", writes(10))
    assert (entry.folder / "model.bin").read_bytes() == bytes(10)


def test_the_longest_unused_source_makes_room(tmp_path: Path) -> None:
    cache = SourceCache(tmp_path, max_bytes=1000)
    for key, seconds in (("a", 9000), ("b", 8000)):
        age(cache.get(key, writes(400)).folder, seconds)
    age(cache.get("a", never).folder, 7000)
    cache.get("c", writes(400))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["a", "c"]


def test_what_a_run_may_still_read_is_not_removed_for_another(tmp_path: Path) -> None:
    cache = SourceCache(tmp_path, max_bytes=1000)
    cache.get("a", writes(600))
    with pytest.raises(CacheFullError, match=r"(?s)1 entries cannot be removed.*cache_gigabytes.*for 60 minutes"):
        cache.get("b", writes(600))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["a"]


def test_what_will_not_fit_is_refused_before_a_byte_is_fetched(tmp_path: Path) -> None:
    cache = SourceCache(tmp_path, max_bytes=1000)
    cache.get("a", writes(600))
    with pytest.raises(CacheFullError, match="600 bytes more"):
        cache.get("b", never, least_size=600)
    with pytest.raises(CacheFullError, match="1001 bytes more"):
        SourceCache(tmp_path / "empty", max_bytes=1000).get("b", never, least_size=1001)


def test_of_workers_that_want_the_same_source_one_fetches_it(tmp_path: Path) -> None:
    fetched: list[str] = []

    def fetch(folder: Path) -> tuple[str, ...]:
        fetched.append(folder.name)
        time.sleep(0.2)
        return writes(10)(folder)

    workers = [threading.Thread(target=SourceCache(tmp_path, 1000).get, args=("a", fetch)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(fetched) == 1
