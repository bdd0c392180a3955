"""Errors of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from include.errors import ModelImportError

_GO_ON = "The answers so far are kept: run it again to go on from here."


class DatasetNotFoundError(ModelImportError):
    """The data set's file or object does not exist."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            "The data set does not exist", uri, remedy="Give a path or s3:// URI that this worker can read."
        )


class DatasetUnreadableError(ModelImportError):
    """The data set exists, but cannot be read."""

    def __init__(self, uri: str, found: str) -> None:
        remedy = "Check the permissions of the AWS connection, or of the folder."
        super().__init__("The data set cannot be read", uri, found=found, remedy=remedy)


class DatasetTooLargeError(ModelImportError):
    """The data set does not fit in a worker's memory."""

    def __init__(self, uri: str, limit: int, found: int) -> None:
        super().__init__(
            "The data set is too large",
            uri,
            f"at most {limit:,} bytes",
            f"{found:,} bytes",
            "Make a smaller file: `sample` draws from what was read.",
        )


class DatasetFormatError(ModelImportError):
    """The format of the data set's file is not supported."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        remedy = "Write it as JSON Lines, CSV or Parquet."
        super().__init__("The data set has no known format", uri, expected, found, remedy)


class DatasetLocationError(ModelImportError):
    """A location is neither a column nor a JMESPath expression."""

    def __init__(self, uri: str, location: str, found: str) -> None:
        super().__init__(
            "A location in the data set cannot be read",
            f"{uri}, location {location!r}",
            "the name of a column or a JMESPath expression",
            found,
            "See https://jmespath.org; put names with signs in double quotes.",
        )


class DatasetEmptyError(ModelImportError):
    """The data set has no records."""

    def __init__(self, uri: str) -> None:
        super().__init__("The data set holds no record", uri, "at least one", "none")


class DatasetLineError(ModelImportError):
    """A line of the data set cannot be read as a record."""

    def __init__(self, uri: str, place: str, expected: str, found: str) -> None:
        super().__init__(
            "A line of the data set is not a valid record",
            f"{uri}, {place}",
            expected,
            found,
            "Correct or remove the line.",
        )


class DatasetFieldError(ModelImportError):
    """A field of a record is missing or not a text."""

    def __init__(self, uri: str, place: str, field: str, found: str) -> None:
        super().__init__(
            "A field of the data set is wrong",
            f"{uri}, {place}, field {field!r}",
            "a text that is not blank or a number, or for answers a list of such",
            found,
            "Every record needs a question and an answer; the category may be left out. "
            "If they have other names, set question_location and answer_location. In a JMESPath expression, "
            "not_null(field, '') stands for a field that may be null.",
        )


class DatasetCategoriesError(ModelImportError):
    """The categories are too many or too long to be groups of records."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__(
            "The categories of the data set are too many or too long",
            uri,
            expected,
            found,
            "Name the kinds of questions in short, or set category_location to the field that does.",
        )


class FewShotExamplesError(ModelImportError):
    """The file has fewer few-shot examples than requested."""

    def __init__(self, uri: str, expected: int, found: int) -> None:
        super().__init__(
            "There are too few few-shot examples",
            uri,
            f"{expected} whose question is not asked in the evaluation too",
            str(found),
            "Give a data set of other questions, or ask for fewer examples.",
        )


class PromptTemplateError(ModelImportError):
    """The prompt template cannot be rendered."""

    def __init__(self, prompt_template: str, found: str) -> None:
        super().__init__(
            "The prompt template cannot be filled",
            repr(prompt_template),
            "the field {question} and no other",
            found,
            "Double a brace that is to be sent: {{ or }}.",
        )


class ResponseSchemaError(ModelImportError):
    """The model's response has none of the known body formats."""

    def __init__(self, found: str) -> None:
        super().__init__(
            "The response of the model has no known shape",
            expected="a text at choices[0].message.content, choices[0].text, generation or outputs[0].text",
            found=found,
            remedy="Check which body format the imported model speaks.",
        )


class AnswerLogLineError(ModelImportError):
    """A complete line of the answer log is not a valid answer."""

    def __init__(self, path: str, line: int, found: str) -> None:
        super().__init__(
            "The file of answers was not written by this project",
            f"{path}, line {line}",
            "an answer as JSON",
            found,
            "Move the file away: its questions are asked again.",
        )


class ModelInvocationError(ModelImportError):
    """Bedrock refused the request for a reason that holds for every question, such as missing permissions."""

    def __init__(self, model_arn: str, record_index: int, found: str) -> None:
        super().__init__("The model cannot be asked", f"{model_arn}, record {record_index}", "", found, _GO_ON)


class ModelUnavailableError(ModelImportError):
    """The model answered no question within the time limit."""

    def __init__(self, model_arn: str, record_index: int, deadline_seconds: float, found: str) -> None:
        super().__init__(
            "The model did not become available",
            f"{model_arn}, record {record_index}",
            f"an answer within {deadline_seconds:g} s",
            found,
            _GO_ON,
        )


class NothingAnsweredError(ModelImportError):
    """Every question that was tried failed."""

    def __init__(self, model_arn: str, failed: int, found: str) -> None:
        super().__init__(
            "The model answered no question",
            model_arn,
            "an answer to at least one",
            f"{failed} failed, one of them with: {found}",
            "Check the prompt settings: body_format, max_tokens, guardrail_id; of a judge, model and temperature.",
        )


class NoScoresError(ModelImportError):
    """There are no scores to aggregate."""

    def __init__(self) -> None:
        super().__init__("There are no scores to take the mean of", expected="at least one record's", found="none")


class DifferentRecordsError(ModelImportError):
    """The two models did not answer the same records, so they cannot be compared."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(
            "The models did not answer the same records",
            expected=expected,
            found=found,
            remedy="Measure both on the same data set.",
        )


class ScoreMissingError(ModelImportError):
    """A model's stored records lack a score that is compared."""

    def __init__(self, label: str, model: str) -> None:
        super().__init__(
            "A score that is compared is missing from a stored evaluation",
            f"{label}, of the {model}",
            "both models' answers scored by it",
            "answers that were stored before the metric was named",
            "Clear the run from its evaluation on: the stored answers are scored again.",
        )


class MetricNotAllowedError(ModelImportError):
    """A metric is a function of a package that this account does not allow."""

    def __init__(self, name: str, packages: Sequence[str]) -> None:
        super().__init__(
            "This metric may not be loaded",
            name,
            f"a function in one of the packages {', '.join(packages)}" if packages else "no function: none is allowed",
            "another package" if packages else "one",
            "Name its package in the Airflow Variable model_import_metric_packages, if its code is trusted.",
        )


class MetricFailedError(ModelImportError):
    """A metric raised an exception."""

    def __init__(self, label: str, record_index: int, found: str) -> None:
        super().__init__(
            "A metric could not score a record",
            f"{label}, record {record_index}",
            "a score",
            found,
            "Correct the metric; the answers are kept, and are scored again without being asked for.",
        )


class MetricValueError(ModelImportError):
    """A metric returned something that is not a score."""

    def __init__(self, label: str, record_index: int, found: str) -> None:
        super().__init__(
            "A metric returned something that is not a score",
            f"{label}, record {record_index}",
            "a number from 0 to 1, or up to 10 of them by their names",
            found,
            "Correct the metric; the answers are kept, and are scored again without being asked for.",
        )


class LabelsUnusableError(ModelImportError):
    """The answers of a data set cannot be the labels of a classification."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(
            "The answers of the data set cannot be labels",
            expected=expected,
            found=found,
            remedy="Name all labels as the metric's parameter `labels` (of accuracy, one word each), or choose another "
            "metric.",
        )
