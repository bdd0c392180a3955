"""A dozen records of each format, as people write them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from include.config.account import AccountConfig
from include.config.training import Format
from include.errors import ModelImportError
from include.training.conversations import Conversation
from include.training.errors import (
    NoAssistantTurnError,
    SelectionError,
    TrainingColumnsError,
    TrainingMessageError,
)
from include.training.records import RecordReader, open_training_file

CITIES = ("Lima", "Oslo", "Quito", "Rome", "Paris", "Tokyo", "Cairo", "Delhi", "Accra", "Riga", "Bern", "Sofia")
SYSTEM = "You are a helpful assistant.\n\nYou always provide an explanation."


def openorca(number: int, city: str) -> dict[str, Any]:
    prompt = SYSTEM if number % 2 else ""
    return {
        "id": f"flan.{number}",
        "system_prompt": prompt,
        "question": f"Where is\n{city}?",
        "response": f'In "{city}".',
    }


def messages(number: int, city: str) -> dict[str, Any]:
    system = [{"role": "system", "content": SYSTEM}] if number % 2 else []
    turn = [{"role": "user", "content": f"Where is\n{city}?"}, {"role": "assistant", "content": f'In "{city}".'}]
    return {"messages": [*system, *turn]}


def prompt_completion(number: int, city: str) -> dict[str, Any]:
    return {"prompt": f"Where is\n{city}?", "completion": f'In "{city}".', "source": number}


def instruction(number: int, city: str) -> dict[str, Any]:
    return {"instruction": "Where is", "input": city if number % 2 else "", "output": f'In "{city}".'}


MAKERS = {
    "openorca": openorca,
    "messages": messages,
    "prompt_completion": prompt_completion,
    "instruction": instruction,
}
QUESTIONS = {"instruction": lambda number, city: f"Where is\n\n{city}" if number % 2 else "Where is"}
WITH_SYSTEM = {"openorca", "messages"}


def expected(kind: str) -> list[list[tuple[str, str]]]:
    question = QUESTIONS.get(kind, lambda _, city: f"Where is\n{city}?")
    return [
        [("system", SYSTEM)] * (kind in WITH_SYSTEM and number % 2)
        + [("user", question(number, city)), ("assistant", f'In "{city}".')]
        for number, city in enumerate(CITIES)
    ]


def as_jsonl(rows: Sequence[dict[str, Any]]) -> bytes:
    return "\n\n".join(json.dumps(row) for row in rows).encode()


def as_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    cells = [
        {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows
    ]
    writer.writerows(cells)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def as_parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), file)
    return file.getvalue()


WRITERS = {".jsonl": as_jsonl, ".csv": as_csv, ".parquet": as_parquet}


def read(path: Path, kind: Format, select: str | None = None) -> tuple[list[Conversation], RecordReader]:
    account = AccountConfig(local_folders=str(path.parent))
    with open_training_file(str(path), account, None, path.parent) as opened:
        records = RecordReader(opened, kind, select)
        return list(records), records


def turns(conversations: Sequence[Conversation]) -> list[list[tuple[str, str]]]:
    return [[tuple(message) for message in conversation.messages] for conversation in conversations]


@pytest.fixture(
    params=[(kind, ending, packed) for kind in MAKERS for ending in WRITERS for packed in ("", ".gz")], ids="-".join
)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Format, Path]:
    kind, ending, packed = request.param
    content = WRITERS[ending]([MAKERS[kind](number, city) for number, city in enumerate(CITIES)])
    path = tmp_path / f"data{ending}{packed}"
    path.write_bytes(gzip.compress(content) if packed else content)
    return kind, path


def test_a_dozen_records_of_each_format_in_each_kind_of_file_are_the_same_conversations(
    written: tuple[Format, Path],
) -> None:
    kind, path = written
    found, _ = read(path, kind)
    assert turns(found) == expected(kind)


def one(tmp_path: Path, kind: Format, *rows: dict[str, Any], select: str | None = None) -> list[list[tuple[str, str]]]:
    path = tmp_path / "one.jsonl"
    path.write_bytes(as_jsonl(rows))
    return turns(read(path, kind, select)[0])


def refusal(tmp_path: Path, kind: Format, row: dict[str, Any], select: str | None = None) -> ModelImportError:
    with pytest.raises(ModelImportError) as refused:
        one(tmp_path, kind, row, select=select)
    assert "one.jsonl, line 1" in refused.value.which
    assert refused.value.remedy
    return refused.value


def test_the_projects_evaluation_sets_can_be_trained_too(tmp_path: Path) -> None:
    row = {"question": "Q?", "answer": ["a", 2], "category": "x"}
    assert one(tmp_path, "prompt_completion", row) == [[("user", "Q?"), ("assistant", "a<OR>2")]]


def test_several_accepted_answers_become_an_example_each(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_bytes(as_jsonl([{"question": "Q?", "answer": "a <OR>b<OR>a<OR> "}]))
    ((conversation,), _) = read(path, "prompt_completion")
    assert turns(conversation.alternatives()) == [[("user", "Q?"), ("assistant", answer)] for answer in "ab"]


def test_what_is_said_after_the_last_answer_is_not_used(tmp_path: Path) -> None:
    turn = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "a"}]
    row = {"messages": [*turn, {"role": "user", "content": "Thanks"}]}
    assert one(tmp_path, "messages", row) == [[("user", "Q?"), ("assistant", "a")]]


def test_a_blank_question_or_answer_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"prompt": "Q?", "completion": completion} for completion in ("a", " ", None, "b")]
    path = tmp_path / "one.jsonl"
    path.write_bytes(as_jsonl(rows))
    found, records = read(path, "prompt_completion")
    assert [conversation.answer for conversation in found] == ["a", "b"]
    assert (records.rows, records.blank, records.not_selected) == (4, 2, 0)


@pytest.mark.parametrize(
    ("select", "kept"),
    [("contains(id, 'flan')", "ac"), ("id", "abc"), ("length(response) > `1`", ""), ("ids", ""), ("n", "abc")],
)
def test_records_are_selected_by_what_counts_as_true_in_jmespath(tmp_path: Path, select: str, kept: str) -> None:
    ids = {"a": "flan.1", "b": "cot.2", "c": "flan.3"}
    rows = [{"id": name, "n": 0, "question": "Q?", "response": answer} for answer, name in ids.items()]
    found = one(tmp_path, "openorca", *rows, select=select)
    assert [conversation[-1][1] for conversation in found] == list(kept)


def test_records_that_are_not_selected_may_have_any_columns(tmp_path: Path) -> None:
    rows = [{"other": 1}, {"id": "x", "question": "Q?", "response": "a"}]
    assert len(one(tmp_path, "openorca", *rows, select="id")) == 1


def test_an_expression_that_fails_names_the_record(tmp_path: Path) -> None:
    error = refusal(tmp_path, "openorca", {"id": None, "question": "Q?", "response": "a"}, "contains(id, 'flan')")
    assert isinstance(error, SelectionError)


@pytest.mark.parametrize("kind", MAKERS)
def test_other_columns_are_refused_with_those_that_are_there(tmp_path: Path, kind: Format) -> None:
    error = refusal(tmp_path, kind, {"text": "Q?", "label": "a"})
    assert isinstance(error, TrainingColumnsError)
    assert error.found == "text, label"


USER = {"role": "user", "content": "Q?"}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"messages": "[{"}, "Expecting"),
        ({"messages": {"role": "user"}}, "dict"),
        ({"messages": [USER, "a"]}, "str"),
        ({"messages": [USER, {"from": "gpt", "value": "a"}]}, "from, value"),
        ({"messages": [USER, {"role": "tool", "content": "a"}]}, "'tool'"),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "text"}]}]}, "list"),
        ({"messages": [USER, {"role": "assistant", "content": "a", "weight": 0}]}, "weight"),
        ({"messages": [USER, {"role": "assistant", "content": "\ud800"}]}, "surrogate"),
    ],
)
def test_a_message_that_cannot_be_trained_is_refused(tmp_path: Path, row: dict[str, Any], found: str) -> None:
    error = refusal(tmp_path, "messages", row)
    assert isinstance(error, TrainingMessageError)
    assert found in error.found


def test_a_conversation_without_an_assistant_is_refused_with_its_roles(tmp_path: Path) -> None:
    error = refusal(tmp_path, "messages", {"messages": [{"role": "system", "content": "s"}, USER]})
    assert isinstance(error, NoAssistantTurnError)
    assert error.found == "system, user"
