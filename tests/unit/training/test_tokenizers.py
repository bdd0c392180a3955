from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from include.checkpoint.mistral.raw_tokenizer import TEMPLATES
from include.config.account import AccountConfig
from include.run.local_paths import LocalPathOutsideError
from include.training.errors import ChatTemplateMissingError, ChatTemplateUnfitError, TokenizerUnreadableError
from include.training.tokenizers import write_tokenizer
from tests.support.training_data import BASE

CONFIG = "tokenizer_config.json"


@pytest.fixture
def own_base(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "own"))


def configure(base: Path, **changes: Any) -> None:
    config = json.loads((base / CONFIG).read_text("utf-8"))
    (base / CONFIG).write_text(json.dumps(config | changes), "utf-8")


def written(base: Path, choice: str = "base", **account: str) -> Any:
    out = base.with_name("tokenizer")
    write_tokenizer(base, choice, AccountConfig.model_validate(account), out)
    return AutoTokenizer.from_pretrained(out)


def test_the_bases_tokenizer_is_written_as_it_is_with_its_template(own_base: Path) -> None:
    before, after = AutoTokenizer.from_pretrained(own_base), written(own_base)
    assert after.chat_template == before.chat_template
    assert after.get_vocab() == before.get_vocab()
    files = {path.name: path.read_bytes() for path in own_base.with_name("tokenizer").iterdir()}
    assert files["tokenizer.json"] == (BASE / "tokenizer.json").read_bytes()
    assert sorted(files) == ["special_tokens_map.json", "tokenizer.json", CONFIG]


@pytest.mark.parametrize("name", ["chat_template.jinja", "chat_template.json"])
def test_a_template_in_a_file_of_its_own_is_the_bases(own_base: Path, name: str) -> None:
    template = "{{ messages[0]['content'] }}</s>"
    (own_base / name).write_text(template if name.endswith("jinja") else json.dumps({"chat_template": template}))
    assert written(own_base).chat_template == template


def test_of_several_named_templates_the_default_is_trained(own_base: Path) -> None:
    named = [{"name": name, "template": f"{name}</s>"} for name in ("tool_use", "default")]
    configure(own_base, chat_template=named)
    assert written(own_base).chat_template == "default</s>"


def test_the_projects_template_replaces_the_bases(own_base: Path) -> None:
    (own_base / "chat_template.jinja").write_text("another")
    assert written(own_base, "v3").chat_template == (TEMPLATES / "v3.jinja").read_text()


def test_a_template_of_the_users_is_read_from_an_allowed_folder(own_base: Path) -> None:
    path = own_base.parent / "mine.jinja"
    path.write_text("mine</s>")
    assert written(own_base, str(path), local_folders=str(path.parent)).chat_template == "mine</s>"
    shutil.rmtree(own_base.with_name("tokenizer"))
    with pytest.raises(LocalPathOutsideError):
        written(own_base, str(path))


def test_a_base_without_a_template_needs_a_choice(own_base: Path) -> None:
    configure(own_base, chat_template=None)
    with pytest.raises(ChatTemplateMissingError, match="v1, v3 or v7"):
        written(own_base)
    assert written(own_base, "v1").chat_template == (TEMPLATES / "v1.jinja").read_text()


def test_a_template_of_tokens_that_the_base_lacks_is_refused(own_base: Path) -> None:
    with pytest.raises(ChatTemplateUnfitError) as refused:
        written(own_base, "v7")
    assert "[SYSTEM_PROMPT], [/SYSTEM_PROMPT] in the vocabulary" in refused.value.expected


def test_a_raw_mistral_tokenizer_is_converted(tokenizers: Mapping[str, Any]) -> None:
    asked = tokenizers["v3"].apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert asked == "<s>[INST]Hi[/INST]"


@pytest.mark.parametrize("damage", ["empty", "no file", "no JSON"])
def test_a_tokenizer_that_cannot_be_loaded_is_refused(own_base: Path, damage: str) -> None:
    if damage == "empty":
        shutil.rmtree(own_base)
        own_base.mkdir()
    elif damage == "no file":
        (own_base / "tokenizer.json").unlink()
    else:
        (own_base / CONFIG).write_text("{")
    with pytest.raises(TokenizerUnreadableError, match="own"):
        written(own_base)
