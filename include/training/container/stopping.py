"""Notes that the job has to stop: SageMaker sends SIGTERM 120 seconds before it ends a job by force."""

from __future__ import annotations

import signal
from types import FrameType

STOPPED_EXIT_CODE = 128 + signal.SIGTERM


class StopSignal:
    """Whether SIGTERM has arrived since this object was made."""

    def __init__(self) -> None:
        self.arrived = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.arrived = True
