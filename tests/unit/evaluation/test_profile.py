from __future__ import annotations

from include.evaluation.dataset import Record
from include.evaluation.profile import profile


def test_a_profile_counts_records_categories_lengths_and_repetitions() -> None:
    records = [
        Record(0, "Capital of Peru?", "Lima", "America"),
        Record(1, "Capital of Peru?", "Lima", "America"),
        Record(2, "Capital of Peru?", "Cusco", "Asia"),
        Record(3, "Capital of Nepal, a country of mountains?", "Kathmandu<OR>Katmandu"),
    ]
    found = profile(records)
    assert found.text() == (
        "4 records, 2 categories (America 2, Asia 1), 1 without a category, questions of 16 characters (longest 41), "
        "answers of 5 (longest 9), 2 repeat a question, 1 of them with other answers"
    )
    assert found.warnings == ()


def test_answers_taken_from_the_wrong_place_of_a_well_known_data_set_are_suspected() -> None:
    [gsm8k] = profile([Record(0, "6 x 7?", "6 x 7 = 42\n#### 42")]).warnings
    assert "answer_location to after(answer, '####')" in gsm8k
    [mmlu] = profile([Record(0, "q", "1"), Record(1, "r", "3")]).warnings
    assert "answer_location to item(choices, answer)" in mmlu
