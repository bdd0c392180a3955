"""What can go wrong in an evaluation."""

from __future__ import annotations

from include.errors import ModelImportError

_GO_ON = "The answers so far are kept: run it again to go on from here."


class DatasetNotFoundError(ModelImportError):
    """The data set's file does not exist."""

    def __init__(self, path: str) -> None:
        super().__init__("The evaluation data set does not exist", path, remedy="Give the path of a JSON Lines file.")


class DatasetEmptyError(ModelImportError):
    """The data set holds no record."""

    def __init__(self, path: str) -> None:
        super().__init__("The evaluation data set holds no record", path, "at least one line", "none")


class DatasetLineError(ModelImportError):
    """A line of the data set is not a JSON object."""

    def __init__(self, path: str, line: int, found: str) -> None:
        super().__init__(
            "A line of the evaluation data set is no record",
            f"{path}, line {line}",
            "a JSON object",
            found,
            "Correct or remove the line.",
        )


class DatasetFieldError(ModelImportError):
    """A field of a record is missing or not a text."""

    def __init__(self, path: str, line: int, field: str, found: str) -> None:
        super().__init__(
            "A field of the evaluation data set is wrong",
            f"{path}, line {line}, field {field!r}",
            "a text that is not blank",
            found,
            "Every line needs 'question' and 'answer'; 'category' may be left out.",
        )


class PromptTemplateError(ModelImportError):
    """The prompt template is not one that can be filled."""

    def __init__(self, prompt_template: str, found: str) -> None:
        super().__init__(
            "The prompt template cannot be filled",
            repr(prompt_template),
            "the field {question} and no other",
            found,
            "Double a brace that is to be sent: {{ or }}.",
        )


class ResponseSchemaError(ModelImportError):
    """The model's response has none of the known shapes."""

    def __init__(self, found: str) -> None:
        super().__init__(
            "The response of the model has no known shape",
            expected="a text at choices[0].message.content, choices[0].text, generation or outputs[0].text",
            found=found,
            remedy="Check which body format the imported model speaks.",
        )


class AnswerLogLineError(ModelImportError):
    """A whole line of the file of answers is not an answer."""

    def __init__(self, path: str, line: int, found: str) -> None:
        super().__init__(
            "The file of answers is not one of ours",
            f"{path}, line {line}",
            "an answer as JSON",
            found,
            "Move the file away: its questions are asked again.",
        )


class ModelInvocationError(ModelImportError):
    """The model refused or failed a question in a way that waiting does not cure."""

    def __init__(self, model_arn: str, record_index: int, found: str) -> None:
        super().__init__("The model failed a question", f"{model_arn}, record {record_index}", "", found, _GO_ON)


class ModelUnavailableError(ModelImportError):
    """The model stayed cold, busy or throttled until the deadline."""

    def __init__(self, model_arn: str, record_index: int, deadline_seconds: float, found: str) -> None:
        super().__init__(
            "The model did not become available",
            f"{model_arn}, record {record_index}",
            f"an answer within {deadline_seconds:g} s",
            found,
            _GO_ON,
        )


class NoScoresError(ModelImportError):
    """There is nothing to take the mean of."""

    def __init__(self) -> None:
        super().__init__("There are no scores to take the mean of", expected="at least one record's", found="none")


class DifferentRecordsError(ModelImportError):
    """Two models are to be compared that did not answer the same records."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(
            "The models did not answer the same records",
            expected=expected,
            found=found,
            remedy="Measure both on the same data set.",
        )
