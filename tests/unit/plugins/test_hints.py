from __future__ import annotations

import pytest

from bedrock_import.hints import find_hint, load_hints


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        (
            None,
            "Amazon bedrock does not support the architecture (qwen2) of the model that you are importing.",
            "model_type",
        ),
        (None, "could not find the expected file config.json", "folder that directly holds"),
        ("ValidationException", "The provided role ARN is invalid", "trust policy"),
        ("ValidationException", "The provided job name is currently in use.", "stay taken"),
        ("AccessDeniedException", "User is not allowed to perform iam:PassRole", "iam:PassRole"),
        ("ServiceQuotaExceededException", "", "per region"),
        ("ThrottlingException", "Rate exceeded", "polling interval"),
        ("ResourceNotFoundException", "No such job", "region"),
    ],
)
def test_a_known_failure_comes_with_advice(code: str | None, message: str, advice: str) -> None:
    hint = find_hint(code, message)
    assert hint is not None
    assert advice in hint.advice


@pytest.mark.parametrize(("code", "message"), [(None, None), ("TeapotException", "short and stout")])
def test_an_unknown_failure_comes_without_advice_rather_than_with_a_wrong_one(
    code: str | None, message: str | None
) -> None:
    assert find_hint(code, message) is None


def test_every_hint_names_a_page_and_what_it_is_for() -> None:
    for hint in load_hints():
        assert hint.code or hint.message
        assert hint.see.startswith("https://docs.aws.amazon.com/")
