"""Airflow loads the plugins from a folder, as the API server does when it starts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model_imports_plugin import ModelImportsPlugin
from tests.support.airflow_versions import LOAD_PLUGINS

PLUGINS = Path(__file__).parents[3] / "plugins"
LOAD = f"""
import json
from airflow import plugins_manager
{LOAD_PLUGINS}
info = {{plugin["name"]: plugin for plugin in plugins_manager.get_plugin_info()}}
print(json.dumps({{
    "errors": errors, "apps": [app["url_prefix"] for app in apps],
    "views": [view["name"] for view in info["model_imports"]["external_views"]],
}}))
"""


def load_plugins(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return what Airflow loaded from the plugins in ``folder``, and its log about the page."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHONPATH"))}
    airflow = {"AIRFLOW_HOME": str(folder), "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder / "plugins")}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=folder, env=kept | airflow, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    [loaded] = [line for line in lines if line.startswith("{")]
    return json.loads(loaded), [line for line in lines if "Imported models" in line and line != loaded]


def test_without_the_include_folder_only_the_page_is_missing(tmp_path: Path) -> None:
    shutil.copytree(PLUGINS, tmp_path / "plugins")
    loaded, log = load_plugins(tmp_path)
    assert loaded == {"errors": {}, "apps": [], "views": []}
    assert len(log) == 1
    assert "No module named 'include'" in log[0]


def plugin_with_page(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModelImportsPlugin:
    """Return the plugin of an Airflow whose page is this module."""
    package = folder / "model_imports_page"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "app.py").write_text(source)
    for name in [name for name in sys.modules if name.partition(".")[0] == "model_imports_page"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(folder)
    return ModelImportsPlugin()


def test_a_page_with_any_error_at_its_import_is_not_offered_and_the_log_says_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = plugin_with_page("raise ValueError('first line\\nsecond line')\n", tmp_path, monkeypatch)
    assert (plugin.fastapi_apps, plugin.external_views) == ([], [])
    [record] = caplog.records
    assert "ValueError: first line second line" in record.getMessage()


def test_a_page_that_can_be_imported_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = plugin_with_page("app = 'the app'\n", tmp_path, monkeypatch)
    assert [app["app"] for app in plugin.fastapi_apps] == ["the app"]
    assert [view["name"] for view in plugin.external_views] == ["Imported models"]
