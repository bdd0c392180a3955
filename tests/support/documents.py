"""The fenced blocks of the documents, and a folder in which their commands can be run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"(?P<before>[^\n]*)\n(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)\n(?P=indent)```", re.DOTALL)
_NOT_RUN = re.compile(r"\s*<!-- not run: (?P<reason>.+) -->")
_NOT_FOR_THE_DEMO = re.compile(r"\s*<!-- not for the demo: .+ -->")
_FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_INLINE_COMMAND = re.compile(r"`((?:airflow|aws|docker|make|pip|pytest|(?:\.venv/bin/)?python) [^`]+)`")
#: Programs that are noted with their arguments and not run: they build, or start, what other tests build and start.
NOTED = ("airflow", "docker", "make", "pre-commit", "python3.11", "renewed/bin/pip", "pip")
_NOTE = """#!{python}
import json, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
if "freeze" in sys.argv:
    sys.stdout.write("some-package==1\\n")
"""


class Block(NamedTuple):
    """A fenced block; ``reason`` says why it is not run, where a comment before it does.

    ``before`` is the document's text above it. A console block's ``text`` is what was typed.
    """

    document: str
    language: str
    text: str
    reason: str | None
    for_the_demo: bool
    before: str

    def __str__(self) -> str:
        return f"{self.document}: {self.text.splitlines()[0][:60]}"


def blocks(*languages: str) -> list[Block]:
    """Return the documents' blocks in these languages."""
    found = []
    for path in DOCUMENTS:
        document = "\n" + path.read_text("utf-8")
        for match in _BLOCK.finditer(document):
            reason = _NOT_RUN.match(match["before"])
            text = textwrap.dedent(match["text"])
            if match["language"] == "console":
                text = "\n".join(re.findall(r"^\$ (.*)", text, re.MULTILINE))
            name = str(path.relative_to(ROOT))
            for_the_demo = not reason and not _NOT_FOR_THE_DEMO.match(match["before"])
            before = document[: match.start("text")]
            found.append(
                Block(name, match["language"], text, reason["reason"] if reason else None, for_the_demo, before)
            )
    return [block for block in found if block.language in languages]


def demo_blocks(*languages: str) -> list[Block]:
    """Return the blocks that are run as printed in a shell that uses the demo."""
    return [block for block in blocks(*languages) if block.for_the_demo]


def inline_commands() -> list[str]:
    """Return the commands that stand within sentences and tables, and those of which a text block shows the form."""
    texts = (_FENCED.sub("", path.read_text("utf-8")) for path in DOCUMENTS)
    within = {" ".join(command.split()) for text in texts for command in _INLINE_COMMAND.findall(text)}
    forms = {line for block in blocks("text") for line in block.text.splitlines() if line.startswith("python ")}
    return sorted(within | forms)


def project_links(folder: Path) -> None:
    """Make the folder look like the project: folders are links, files are copies."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
        elif path.name in ("include", "dags", "plugins", "docs"):
            (folder / path.name).symlink_to(path)


class Sandbox:
    """A folder that looks like the project, in which some programs only take notes."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder, self._endpoint, self._log = folder / "project", endpoint, folder / "noted.jsonl"
        project_links(self.folder)
        self._bin = folder / "bin"
        for name in NOTED:
            self._note(self._bin / name if "/" not in name else self.folder / name, name)
        self._note(self.folder / ".venv/bin/pre-commit", "pre-commit")
        (self.folder / ".venv/bin/python").symlink_to(sys.executable)

    def _note(self, path: Path, name: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_NOTE.format(python=sys.executable, log=str(self._log), name=name))
        path.chmod(0o755)

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a program in the folder, with the stand-in as AWS."""
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_PAGER": "",
            "PATH": f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "AIRFLOW_VAR_MODEL_IMPORT_LOCAL_FOLDERS": str(ROOT),  # the folders here are links to those there
        }
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=250
        )

    def shell(self, text: str) -> None:
        """Run the lines of a block; the stand-in's own port stands where the documents say 5555."""
        text = text.replace("http://127.0.0.1:5555", self._endpoint)
        done = self.run(["bash", "-euo", "pipefail", "-c", text])
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"

    def noted(self) -> list[list[str]]:
        """Return the programs that took notes, with their arguments, and forget them."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]
