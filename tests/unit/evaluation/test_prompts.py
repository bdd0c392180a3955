from __future__ import annotations

import pickle

import pytest

from include.evaluation.dataset import Dataset, Record
from include.evaluation.errors import FewShotExamplesError, PromptTemplateError
from include.evaluation.prompts import check_template, choose_examples, render

DATASET = Dataset("more.jsonl", "1", tuple(Record(index, f"q{index}", f"a{index}<OR>b") for index in range(10)), 10)


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("{question}", "Is {this} it?"),
        ("[INST] {question} [/INST]", "[INST] Is {this} it? [/INST]"),
        ('{{"q": "{question}"}}', '{"q": "Is {this} it?"}'),
        ("{question} Again: {question}", "Is {this} it? Again: Is {this} it?"),
    ],
)
def test_the_question_is_put_where_the_template_names_it(template: str, prompt: str) -> None:
    assert check_template(template) == template
    assert render(template, "Is {this} it?") == prompt


@pytest.mark.parametrize(
    "template",
    ["", "no field", "{}", "{0}", "{question.x}", "{question} {context}", "{question!r}", "{question:>9}", "{question"],
)
def test_a_template_that_cannot_be_filled_is_refused_up_front(template: str) -> None:
    with pytest.raises(PromptTemplateError) as refused:
        check_template(template)
    assert repr(template) in str(refused.value)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


def test_examples_are_drawn_with_their_seed_from_questions_that_are_not_asked() -> None:
    asked = DATASET.records[:5]
    chosen = choose_examples(DATASET, 3, asked, seed=1)
    assert chosen == choose_examples(DATASET, 3, asked, seed=1)
    assert len(set(chosen)) == 3
    assert set(chosen) <= {(f"q{index}", f"a{index}") for index in range(5, 10)}


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(FewShotExamplesError, match=r"more\.jsonl\nExpected: 3 .*\nFound: 2"):
        choose_examples(DATASET, 3, DATASET.records[:8], seed=1)
