"""What a notification says about a failure: what happened, what to do, where to look."""

from __future__ import annotations

from dataclasses import dataclass

from bedrock_import.exceptions import BedrockModelImportError
from bedrock_import.hints import find_hint

#: SNS and mail allow far more, but a longer text is not read.
LONGEST_MESSAGE = 2000


@dataclass(frozen=True)
class FailureNotice:
    """The parts of a notification; what is not known is None."""

    message: str
    hint: str | None = None
    see: str | None = None
    console_url: str | None = None
    next_step: str | None = None

    def text(self) -> str:
        """Return the parts as lines."""
        parts = {
            "": self.message,
            "What to do: ": self.hint,
            "Next step: ": self.next_step,
            "See: ": self.see,
            "Console: ": self.console_url,
        }
        return "\n".join(label + part for label, part in parts.items() if part)


def failure_notice(error: BaseException | str | None) -> FailureNotice:
    """Return the notice for the exception in a failure callback's context.

    An error of this package brings hint and links; for any other of AWS the hint is looked up by code and message.
    """
    if isinstance(error, BedrockModelImportError):
        said = f": {error.failure_message}" if error.failure_message else ""
        message = f"{error.what}{said}"[:LONGEST_MESSAGE]
        return FailureNotice(message, error.hint, error.see, error.console_url, error.next_step)
    if error is None:
        return FailureNotice("The task failed without an error; see its log")
    message = str(error) or type(error).__name__
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    hint = find_hint(code, message) if code else None
    return FailureNotice(message[:LONGEST_MESSAGE], hint.advice if hint else None, hint.see if hint else None)
