"""OpenOrca and SQuAD, as they are published, evaluated from the check in preflight to the stored report."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.aws.clients import AwsClients
from include.evaluation.storage import read_records
from include.preflight.input_checks import check_evaluation
from include.run.plan import ImportPlan
from include.steps.evaluate import measure

COUNTRIES = {
    "Peru": "Lima", "Chile": "Santiago", "Kenya": "Nairobi", "Egypt": "Cairo", "France": "Paris", "Italy": "Rome",
    "Spain": "Madrid", "Japan": "Tokyo", "China": "Beijing", "Cuba": "Havana", "Ghana": "Accra", "Norway": "Oslo",
}  # fmt: skip
OPEN_ORCA = [
    {
        "id": f"flan.{number}",
        "system_prompt": "You are brief." if number % 3 else None,
        "question": f"What is the capital of {country}?",
        "response": capital,
    }
    for number, (country, capital) in enumerate(COUNTRIES.items())
]
SQUAD = [
    {
        "id": f"{number:024x}",
        "title": country,
        "context": f"{capital} is the capital of {country}.",
        "question": f"What is the capital of {country}?",
        "answers": {"text": [capital, f"the city of {capital}"], "answer_start": [0, 0]},
    }
    for number, (country, capital) in enumerate(COUNTRIES.items())
]
WITH_SYSTEM_PROMPT = "join(`\"\\n\"`, [not_null(system_prompt, ''), question])"
WITH_CONTEXT = 'join(`"\\n"`, [context, question])'


@pytest.mark.parametrize(
    ("rows", "locations", "first_prompt"),
    [
        (
            OPEN_ORCA,
            {"question_location": WITH_SYSTEM_PROMPT, "answer_location": "response"},
            "\nWhat is the capital of Peru?",
        ),
        (
            SQUAD,
            {"question_location": "question", "answer_location": "answers.text", "category_location": "title"},
            "What is the capital of Peru?",
        ),
        (
            SQUAD,
            {"question_location": WITH_CONTEXT, "answer_location": "answers.text"},
            "Lima is the capital of Peru.\nWhat is the capital of Peru?",
        ),
    ],
    ids=["OpenOrca", "SQuAD without context", "SQuAD with context"],
)
def test_a_published_data_set_is_checked_profiled_and_evaluated(
    model: str, clients: AwsClients, plan_for: Callable[..., ImportPlan], tmp_path: Path,
    rows: list[dict[str, Any]], locations: dict[str, str], first_prompt: str,
) -> None:  # fmt: skip
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = plan_for(dataset=str(path), prompt_template="[INST] {question} [/INST]", **locations)

    [finding, _] = check_evaluation(plan.config, clients)
    assert finding.severity == "info"
    assert finding.found.startswith("asked are: 12 records")
    assert all(line.strip() in finding.found for line in first_prompt.splitlines())

    summary = measure(plan, model, clients)
    results = list(read_records(clients.s3, summary.records_uri))
    assert results[0].question == first_prompt
    assert len(results) == len(rows) == 12
    assert summary.statuses["answered"] == 12
    assert results[0].accepted_answers[0] == "Lima"


def test_the_first_record_is_not_shown_when_the_models_file_says_so(
    clients: AwsClients, plan_for: Callable[..., ImportPlan], caplog: pytest.LogCaptureFixture
) -> None:
    plan = plan_for(log_first_record=False)
    with caplog.at_level(logging.DEBUG, "include"):
        [finding, _] = check_evaluation(plan.config, clients)
    assert "The first is asked as" not in finding.found + caplog.text
    shown = plan_for(log_first_record=True)
    [finding, _] = check_evaluation(shown.config, clients)
    assert "The first is asked as:\n  [INST] " in finding.found
    assert "\nAccepted is: " in finding.found
