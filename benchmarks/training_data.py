"""Preparation of training data: rows and tokens a second, and how memory grows with the data.

    python -m benchmarks.training_data --rows 20000 200000

Makes records of OpenOrca's form from the words of Python's manual, with Mistral's v3 tokenizer (from mistral_common).
One record in fifty is there again, every other time with a word changed. Prints rates for each number of rows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mistral_common

TOKENIZER = Path(mistral_common.__file__).parent / "data" / "mistral_instruct_tokenizer_240323.model.v3"
SYSTEM_PROMPTS = ("", "You are a helpful assistant.", "Think step by step and justify your answer in one paragraph.")
MODEL = {
    "model_name": "benchmark",
    "base": "base",
    "evaluation": {"dataset": "include/demo/capitals_eval.jsonl", "prompt_template": "[INST]{question}[/INST]"},
}
REPEATED = 50


class Result(NamedTuple):
    """What one preparation took."""

    seconds: float
    processor_seconds: float
    peak_mib: float
    report: dict[str, Any]


def words() -> list[str]:
    """Return the words of Python's manual, as often as they are there."""
    from pydoc_data.topics import topics

    return [word for text in topics.values() for word in re.findall(r"[A-Za-z]+", text)]


def records(count: int) -> Iterator[dict[str, str]]:
    """Yield records of OpenOrca's form and about its lengths; the same ones every time."""
    drawn, known = random.Random(0), words()
    earlier: dict[str, str] = {}
    for number in range(count):
        if earlier and number % REPEATED == 0:
            changed = number % (2 * REPEATED) == 0
            yield {**earlier, "id": f"flan.{number}", "response": earlier["response"] + " indeed" * changed}
            continue
        asked, answered = (int(drawn.lognormvariate(mean, 0.7)) + 3 for mean in (4.4, 4.0))
        earlier = {
            "id": f"flan.{number}",
            "system_prompt": drawn.choice(SYSTEM_PROMPTS),
            "question": " ".join(drawn.choices(known, k=asked)) + "?",
            "response": " ".join(drawn.choices(known, k=answered)) + ".",
        }
        yield earlier


def prepare(folder: Path, rows: int) -> Result:
    """Prepare so many records in a process of its own."""
    data = folder / f"{rows}.jsonl"
    with data.open("w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records(rows))
    training = {"data": str(data), "format": "openorca", "select": "contains(id, 'flan')", "chat_template": "v3"}
    config = folder / f"{rows}.yaml"
    config.write_text(json.dumps({**MODEL, "training": training}))
    options = ["--config", config, "--base", folder / "base", "--out", folder / f"{rows}.out", "--json"]
    environment = os.environ | {"AIRFLOW_VAR_MODEL_IMPORT_LOCAL_FOLDERS": str(folder)}
    started = time.monotonic()
    command = [sys.executable, "-m", "include.training", "prepare", *map(str, options)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    processor = usage.ru_utime + usage.ru_stime
    return Result(time.monotonic() - started, processor, usage.ru_maxrss / 1024, json.loads(printed))


def print_result(rows: int, result: Result) -> None:
    """Print the rates, over the time on the wall and over the processor's, and the peak of memory."""
    tokens = sum(result.report[side]["tokens"] for side in ("train", "held_out"))
    records = result.report["records"]
    for kind, seconds in (("", result.seconds), (" of the processor", result.processor_seconds)):
        rates = f"{rows / seconds:,.0f} rows/s, {tokens / seconds:,.0f} tokens/s"
        print(f"{rows:,} rows, {tokens:,} tokens, {seconds:.1f} s{kind}: {rates}")
    print(
        f"  peak {result.peak_mib:,.0f} MiB; {records['exact_duplicates']:,} exact and {records['near_duplicates']:,} "
        "near duplicates",
        flush=True,
    )


def main() -> None:
    """Print a line for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "base").mkdir()
        (folder / "base" / "tokenizer.model.v3").write_bytes(TOKENIZER.read_bytes())
        for rows in parser.parse_args().rows:
            print_result(rows, prepare(folder, rows))


if __name__ == "__main__":
    main()
