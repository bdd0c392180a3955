from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from include.evaluation.results import EvaluationReport
from include.local_aws.moto_patches.model_cards import model_card_violations
from include.registry.model_card import model_card
from tests.support.pages import measured
from tests.support.record_results import record_result

MOST_CHARACTERS = 100_000
ANY_TEXT = st.text(max_size=3000)


def _report(categories: list[str]) -> EvaluationReport:
    results = [record_result(index, "Lima", category=category) for index, category in enumerate(categories)]
    return measured("this version", results).report


def test_the_card_tells_what_the_model_is_for_its_scores_and_why_it_was_promoted() -> None:
    card = json.loads(model_card("Capitals", _report(["Asia"]), ["f1 reaches it"], {"licence": "MIT"}, "s3://b/m/"))
    assert card["intended_uses"]["purpose_of_model"] == "Capitals"
    assert card["evaluation_details"][0]["evaluation_observation"] == "f1 reaches it"
    groups = {group["name"]: group["metric_data"] for group in card["evaluation_details"][0]["metric_groups"]}
    assert {metric["name"]: metric["value"] for metric in groups["Asia"]}["f1"] == 1.0
    assert card["additional_information"]["custom_details"] == {"licence": "MIT"}


@settings(max_examples=25)
@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=3), st.dictionaries(st.text(max_size=20), ANY_TEXT, max_size=5))
def test_whatever_a_model_is_called_its_card_follows_the_schema(
    text: str, reasons: list[str], details: dict[str, str]
) -> None:
    card = model_card(text, _report([text]), reasons, details, f"s3://bucket/{text}")
    assert model_card_violations({"ModelCardContent": card}) == []


def test_the_card_of_a_data_set_with_thousands_of_categories_fits() -> None:
    card = model_card("", _report([f"category {number} " + "x" * 80 for number in range(300)]), [], {}, "s3://b/m/")
    assert len(card) <= MOST_CHARACTERS
