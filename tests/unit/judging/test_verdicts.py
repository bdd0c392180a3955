from __future__ import annotations

import pytest

from include.judging.verdicts import read_verdict


@pytest.mark.parametrize(
    "text",
    [
        '{"reason": "it is right", "verdict": "answer_1"}',
        ' {"verdict": "answer_1", "reason": "it is right"}\n',
        '```json\n{"reason": "it is right", "verdict": "answer_1"}\n```',
        '```\n{"reason": "it is right", "verdict": "answer_1"}\n```',
    ],
)
def test_one_object_with_reason_and_verdict_is_read_also_in_a_code_block(text: str) -> None:
    assert read_verdict(text) == ("answer_1", "it is right")


def test_a_verdict_without_a_reason_is_read() -> None:
    assert read_verdict('{"verdict": "tie"}') == ("tie", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "answer_1",
        '"answer_1"',
        '["answer_1"]',
        "null",
        '{"verdict": "Answer_1"}',
        '{"verdict": "answer_3"}',
        '{"verdict": ["answer_1"]}',
        '{"verdict": null}',
        '{"reason": "both are good"}',
        '{"verdict": "answer_1", "reason": 1}',
        '{"verdict": "answer_1", "confidence": 0.2}',
        '{"verdict": "answer_1", "verdict": "answer_2"}',
        'My verdict: {"verdict": "answer_1"}',
        '{"verdict": "answer_1"} or {"verdict": "answer_2"}',
        '```json\n{"verdict": "answer_1"}\n```\n```json\n{"verdict": "answer_2"}\n```',
        '{"reason": "it was cut off in the mid',
        "[" * 100_000,
    ],
)
def test_whatever_is_not_exactly_one_verdict_is_none(text: str) -> None:
    assert read_verdict(text) is None
