"""peft gets only what the adapter's folder holds, and makes no request to the Hub."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError
from peft import PeftType

from include.checkpoint.errors import AdapterRefusedError
from include.checkpoint.lora.adapter_settings import MERGEABLE_KINDS
from include.checkpoint.lora.peft_merge import offline
from include.run.workspace import PROJECT_ROOT
from tests.support.edited_adapters import edit_adapter, make_adapter, merge_to_folder

# They read no code of a checkpoint: they load what the caller already has, or settings alone.
_WITHOUT_CODE = ("PeftModel", "GenerationConfig", "MistralForCausalLM")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The URL of a Hub on this machine, and the paths that were asked of it."""
    paths: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["ADAMSS", "XLORA", "POLY", "LILY", "NEW_IN_THE_NEXT_VERSION", "PROMPT_TUNING"])
def test_kinds_that_are_not_named_are_refused(kind: str, base_dir: Path, tmp_path: Path) -> None:
    change = {"peft_type": kind, "adapters": {"0": "attacker/lora"}, "hidden_size": 64}
    adapter = edit_adapter(make_adapter(tmp_path / "adapter"), **change)
    with pytest.raises(AdapterRefusedError, match=kind):
        merge_to_folder(base_dir, adapter, tmp_path)


def test_the_kinds_are_pefts() -> None:
    assert {kind.value for kind in PeftType} >= MERGEABLE_KINDS


def test_nothing_is_asked_of_the_hub_while_peft_merges(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    url, asked = hub

    def ask() -> None:
        with pytest.raises(LocalEntryNotFoundError):
            hf_hub_download("attacker/lora", "adapter_config.json", cache_dir=tmp_path, endpoint=url)

    with offline():
        ask()
    assert asked == []
    ask()
    assert asked != []


def test_no_code_of_a_checkpoint_is_ever_run() -> None:
    calls = []
    for path in (PROJECT_ROOT / "include").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "from_pretrained":
                receiver = ast.unparse(node.func).removesuffix(".from_pretrained")
                arguments = [ast.unparse(keyword) for keyword in node.keywords]
                calls.append((path.name, receiver, "trust_remote_code=False" in arguments))
    assert [call for call in calls if not call[2] and call[1] not in _WITHOUT_CODE] == []
    assert len(calls) >= 5
