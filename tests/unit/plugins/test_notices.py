from __future__ import annotations

from bedrock_import.exceptions import ModelImportJobFailedError
from bedrock_import.notices import FailureNotice, failure_notice
from tests.support.fake_bedrock import aws_error


def test_a_failed_import_is_told_with_what_bedrock_said_what_to_do_and_where_to_look() -> None:
    error = ModelImportJobFailedError(
        "The model import job failed",
        failure_message="no config.json",
        hint="Check the prefix.",
        see="https://docs",
        console_url="https://console",
        next_step="Clear create_import_job.",
    )
    assert failure_notice(error).text().splitlines() == [
        "The model import job failed: no config.json",
        "What to do: Check the prefix.",
        "Next step: Clear create_import_job.",
        "See: https://docs",
        "Console: https://console",
    ]


def test_an_error_of_aws_that_nobody_wrapped_gets_the_hint_for_its_code() -> None:
    notice = failure_notice(aws_error("AccessDeniedException", "User is not authorized"))
    assert "PassRole" in str(notice.hint) or "import role" in str(notice.hint)
    assert notice.see


def test_any_other_error_is_told_as_it_is_and_its_words_are_not_searched_for_hints() -> None:
    assert failure_notice(ValueError("bad tokenizer")) == FailureNotice("bad tokenizer")
    assert failure_notice(KeyError()).message == "KeyError"
    assert failure_notice(None).message


def test_an_endless_message_is_cut() -> None:
    assert len(failure_notice(ValueError("x" * 10_000)).message) == 2000
