"""A chat template is judged by the chats that transformers 4.51.3 renders with it, and cannot harm who validates it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.checkpoint.checks import template_checks
from include.checkpoint.checks.validation import validate
from include.checkpoint.files.folder import checkpoint_of_folder
from include.limited_process import process_environment
from tests.support.tiny_models import make_model, save_model


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """A sound model in one file."""
    return save_model(make_model(eos_token_id=1), tmp_path / "model")


def _set_template(folder: Path, template: Any) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))


def _found(folder: Path) -> dict[str, str]:
    report = validate(checkpoint_of_folder(folder))
    return {record.defect: record.found for record in (*report.errors, *report.warnings)}


TEMPLATES = {
    "a function that 4.51.3 does not have": ("{{ today() }}{{ messages }}", "ChatTemplateInvalidError"),
    "a list that is appended to": ("{{ messages.append(1) }}{{ messages }}", "ChatTemplateInvalidError"),
    "no default": ([{"name": "tool_use", "template": "{{ messages }}"}], "ChatTemplateInvalidError"),
    "nothing of the message": ("Hello", "ChatTemplateInvalidError"),
    "refusal of a user": ("{{ raise_exception('no') }}", "ChatTemplateInvalidError"),
    "content as parts only": (
        "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}",
        "ChatTemplatePartsWarning",
    ),
    "refusal of a system message": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages }}",
        "ChatTemplateLimitedWarning",
    ),
    "special tokens": ("{{ bos_token + messages[-1].content + eos_token }}", None),
}


@pytest.mark.parametrize(("template", "defect"), TEMPLATES.values(), ids=TEMPLATES)
def test_a_template_is_judged_by_the_chats_that_it_renders(template: Any, defect: str | None, single: Path) -> None:
    _set_template(single, template)

    assert list(_found(single)) == ([defect] if defect else [])


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "seconds"),
        ("{{ 'a' * 10 ** 12 }}", "MemoryError"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
    ],
    ids=["time", "memory", "depth"],
)
def test_a_hostile_template_is_stopped(template: str, why: str, single: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_checks, "LIMITS", template_checks.LIMITS._replace(seconds=1))
    _set_template(single, template)

    assert why in _found(single)["ChatTemplateInvalidError"]


def test_a_template_runs_without_the_credentials_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert "AWS_SECRET_ACCESS_KEY" not in process_environment()
