from __future__ import annotations

import pickle

import pytest

from include.evaluation.dataset import Record
from include.evaluation.errors import PromptTemplateError
from include.evaluation.prompts import check_template, render

RECORD = Record(0, "Is {this} it?", "yes")


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
    assert render(template, RECORD) == prompt


@pytest.mark.parametrize(
    "template",
    ["", "no field", "{}", "{0}", "{question.x}", "{question} {context}", "{question!r}", "{question:>9}", "{question"],
)
def test_a_template_that_cannot_be_filled_is_refused_up_front(template: str) -> None:
    with pytest.raises(PromptTemplateError) as refused:
        check_template(template)
    assert repr(template) in str(refused.value)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)
