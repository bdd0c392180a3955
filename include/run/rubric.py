"""The rubric of a model's judge: from its file, a file beside it, or the default."""

from __future__ import annotations

from typing import Any

from include.aws.s3_uri import is_s3_uri
from include.config.account import AccountConfig
from include.config.judge import JudgeConfig
from include.errors import ModelImportError
from include.evaluation.dataset_source import read_bytes
from include.evaluation.errors import DatasetNotFoundError, DatasetTooLargeError, DatasetUnreadableError
from include.judging.prompt import DEFAULT_RUBRIC, JudgeSettings
from include.run.local_paths import local_path

MAX_CHARACTERS = 20_000


class RubricUnreadableError(ModelImportError):
    """The file of the judge's rubric does not exist, cannot be read, or is no text of a sensible length."""

    def __init__(self, uri: str, found: str) -> None:
        super().__init__(
            "The rubric of the judge cannot be used",
            uri,
            f"a text in UTF-8 of 1 to {MAX_CHARACTERS:,} characters that this worker can read",
            found,
            "Correct judge.rubric_file, or write the rubric into judge.rubric.",
        )


def judge_settings(judge: JudgeConfig, account: AccountConfig, s3: Any) -> JudgeSettings:
    """Return what the judge is asked with.

    Raises:
        RubricUnreadableError: there is no such rubric.
        LocalPathOutsideError: it is a file that may not be read.
    """
    return JudgeSettings(judge.model, _rubric(judge, account, s3), judge.repetitions, judge.temperature)


def _rubric(judge: JudgeConfig, account: AccountConfig, s3: Any) -> str:
    if judge.rubric:
        return judge.rubric
    if judge.rubric_file is None:
        return DEFAULT_RUBRIC.read_text("utf-8")
    uri = judge.rubric_file
    place = uri if is_s3_uri(uri) else str(local_path(uri, account))
    try:
        text = read_bytes(place, s3).decode()
    except DatasetNotFoundError as error:
        raise RubricUnreadableError(uri, "nothing") from error
    except (DatasetUnreadableError, DatasetTooLargeError) as error:
        raise RubricUnreadableError(uri, error.found) from error
    except UnicodeDecodeError as error:
        raise RubricUnreadableError(uri, f"no UTF-8: {error}") from error
    if not text.strip() or len(text) > MAX_CHARACTERS:
        raise RubricUnreadableError(uri, f"{len(text):,} characters")
    return text
