"""A record of training data as a conversation."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from include.evaluation.qa_accuracy import ALTERNATIVES_DELIMITER

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
ROLES = (SYSTEM, USER, ASSISTANT)
#: Runs of letters and digits. Chinese, Japanese and Korean put no spaces between words: each character counts as one.
_IDEOGRAPHS = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+")


class Message(NamedTuple):
    """What one side says."""

    role: str
    content: str


class Conversation(NamedTuple):
    """The messages of a record, the last one the assistant's; ``place`` is where the record stands, for messages."""

    place: str
    messages: tuple[Message, ...]

    @property
    def answer(self) -> str:
        """The last message."""
        return self.messages[-1].content

    @property
    def questions(self) -> tuple[str, ...]:
        """What the user says."""
        return tuple(message.content for message in self.messages if message.role == USER)

    @property
    def prompt(self) -> str:
        """Everything but the last message and the system's."""
        return "\n".join(message.content for message in self.messages[:-1] if message.role != SYSTEM)

    @property
    def text(self) -> str:
        """Everything that is said, without the system prompt, which many records share."""
        return f"{self.prompt}\n{self.answer}"

    @property
    def system_prompt(self) -> str | None:
        """The first system message, if there is one."""
        return next((message.content for message in self.messages if message.role == SYSTEM), None)

    def alternatives(self) -> tuple[Conversation, ...]:
        """Return a conversation for each accepted answer, where ``<OR>`` stands between several.

        As one text they would be learned with the delimiter. Each is an answer that counts as right, so none is left
        out. Of an earlier turn, the first alternative is the conversation's past.
        """
        answers = [text.strip() for text in self.answer.split(ALTERNATIVES_DELIMITER)]
        if len(answers) == 1 and not any(ALTERNATIVES_DELIMITER in message.content for message in self.messages):
            return (self,)
        past = tuple(_first_alternative(message) for message in self.messages[:-1])
        last = (Message(ASSISTANT, answer) for answer in dict.fromkeys(filter(None, answers)))
        return tuple(Conversation(self.place, (*past, message)) for message in last)


def _first_alternative(message: Message) -> Message:
    if message.role != ASSISTANT:
        return message
    return Message(ASSISTANT, message.content.split(ALTERNATIVES_DELIMITER)[0].strip())


def normalised(text: str) -> str:
    """Return the text without differences of case, white space and Unicode's spellings."""
    composed = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(composed.casefold().split())


def words(text: str) -> list[str]:
    """Return the text's words, in lower case and without punctuation."""
    return _WORD.findall(text.casefold())
