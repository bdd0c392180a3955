"""Write a model's answers to disk as they arrive, so that a run that was killed resumes where it stopped."""

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
    """One line of the log. ``key`` identifies record, model and request; the latency is that of the successful call.

    ``answered_at`` is in ISO 8601, with its time zone.
    """

    key: str
    question: str
    latency_seconds: float
    answered_at: str
    answer: Answer


class AnswerLog:
    """A crash-safe JSON Lines file of answers that several threads of one process can append to.

    Every answer is handed to the operating system at once, so that a killed process loses none. Leaving the
    ``with`` block syncs the file to disk; a power failure before that can lose answers.
    """

    def __init__(self, path: Path) -> None:
        """Open the log at ``path`` and drop an incomplete last line.

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
        """Append an answer; once this returns, it survives a kill of the process."""
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
                logprobs = row["answer"].get("logprobs")
                answer = Answer(**row["answer"] | {"logprobs": None if logprobs is None else tuple(logprobs)})
                yield LoggedAnswer(**row | {"answer": answer})
            except (ValueError, TypeError, KeyError) as error:
                raise AnswerLogLineError(str(self._path), number, f"{type(error).__name__}: {error}") from error
