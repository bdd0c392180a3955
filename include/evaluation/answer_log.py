"""Keep a model's answers on disk as they come, so that a run that died resumes where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from include.evaluation.errors import AnswerLogLineError
from include.evaluation.responses import Answer


@dataclass(frozen=True)
class LoggedAnswer:
    """A line of the log; ``key`` stands for record, model and request, latency is that of the call that succeeded.

    ``answered_at`` is in ISO 8601, with its time zone.
    """

    key: str
    question: str
    latency_seconds: float
    answered_at: str
    answer: Answer


class AnswerLog:
    """A JSON Lines file of answers, safe against death at any moment and for use by several threads of one process.

    Every answer is handed to the operating system as it comes, so the death of the process loses none. Leaving the
    ``with`` block waits until all are on the disk; a power cut before that costs the answers that were not.
    """

    def __init__(self, path: Path) -> None:
        """Open the log at ``path``; a last line that was cut off is dropped.

        Raises:
            AnswerLogLineError: a whole line is not an answer.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = Lock()
        self._file = path.open("a+b")
        self.answers = {logged.key: logged for logged in self._recover()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.fsync(self._file.fileno())
        self._file.close()

    def append(self, logged: LoggedAnswer) -> None:
        """Keep an answer; when this returns, the death of this process does not lose it."""
        line = json.dumps(asdict(logged), ensure_ascii=False) + "\n"
        with self._lock:
            self._file.write(line.encode())
            self._file.flush()
            self.answers[logged.key] = logged

    def _recover(self) -> Iterator[LoggedAnswer]:
        self._file.seek(0)
        content = self._file.read()
        whole_lines = content[: content.rfind(b"\n") + 1]
        self._file.truncate(len(whole_lines))
        for number, line in enumerate(whole_lines.splitlines(), start=1):
            try:
                row = json.loads(line)
                yield LoggedAnswer(**row | {"answer": Answer(**row["answer"])})
            except (ValueError, TypeError, KeyError) as error:
                raise AnswerLogLineError(str(self._path), number, f"{type(error).__name__}: {error}") from error
