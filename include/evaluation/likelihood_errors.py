"""Errors of answers from a list, and of the log probabilities of answers."""

from __future__ import annotations

from include.errors import ModelImportError


class TokenCountError(ModelImportError):
    """The token counts do not say which log probabilities are those of an answer."""

    def __init__(self, record_index: int, without: int | None, with_answer: int | None) -> None:
        super().__init__(
            "The log probabilities of an answer cannot be separated from those of its prompt",
            f"record {record_index}",
            "more tokens in the prompt with the answer than in the prompt alone, and a log probability of each",
            f"{with_answer} and {without} tokens",
            "Use a model imported since 2025-11-11 and a prompt_template that ends with a sign, such as a colon.",
        )


class PromptEndError(ModelImportError):
    """A prompt ends with a blank, which tokenizers join to the word that follows."""

    def __init__(self, prompt_end: str) -> None:
        super().__init__(
            "The log probabilities of an answer cannot be asked for after this prompt",
            f"…{prompt_end!r}",
            "a prompt that does not end with a blank",
            "a blank at its end, which becomes part of the answer's first token",
            "Remove the blank at the end of prompt_template, or of the question: one is put before the answer.",
        )


class LogprobsMissingError(ModelImportError):
    """The response has no log probabilities of the prompt."""

    def __init__(self, found: str) -> None:
        super().__init__(
            "The response of the model has no log probabilities of the prompt",
            expected="a list at choices[0].prompt_logprobs",
            found=found,
            remedy="Models imported before 2025-11-11 return none: import the model again, or remove the metric.",
        )


class AnswerNotAChoiceError(ModelImportError):
    """An answer is none of the choices to which it was constrained."""

    def __init__(self, answer: str) -> None:
        super().__init__(
            "The answer is none of the choices",
            expected="one of the suite's `choices`",
            found=repr(answer[:80]),
            remedy="Raise max_tokens if a choice is longer; models imported before 2025-11-11 ignore `choices`.",
        )
