"""Throughput of an evaluation against the stand-in, whose model answers after a fixed time.

    python -m benchmarks.evaluation

Prints, per concurrency, answers per second and their share of the most that is possible: concurrency / 0.2 s.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from botocore.config import Config

from benchmarks.servers import StandIn, stand_in_with_model
from include.evaluation.dataset import Record
from include.evaluation.invocation import ask_all
from include.evaluation.results import PromptSettings

LATENCY_SECONDS = 0.2
ROUNDS = 50
CONCURRENCIES = (1, 2, 4, 8, 16, 32)
PROMPT = PromptSettings(body_format="OpenAICompletion", prompt_template="{question}", max_tokens=16)
RUNTIME = Config(retries={"total_max_attempts": 1}, max_pool_connections=64, read_timeout=300)


def answers_per_second(client: Any, model_arn: str, concurrency: int, folder: Path) -> float:
    """Return the rate at which an evaluation gets its answers, each brought to disk."""
    records = [Record(number, f"question {number}", "yes") for number in range(concurrency * ROUNDS)]
    path = folder / f"{concurrency}.jsonl"
    ask_all(client, model_arn, records[:1], PROMPT, answers_path=folder / "first.jsonl")
    started = time.monotonic()
    interview = ask_all(client, model_arn, records, PROMPT, answers_path=path, concurrency=concurrency)
    seconds = time.monotonic() - started
    assert all(outcome.answer for outcome in interview.outcomes)
    return len(records) / seconds


def imported_model(aws: StandIn) -> str:
    """Import the model and return its ARN."""
    bedrock, job = aws.client("bedrock"), aws.create_job("benchmark")
    while (found := bedrock.get_model_import_job(jobIdentifier=job))["status"] == "InProgress":
        time.sleep(0.1)
    assert found["status"] == "Completed", found
    return str(found["importedModelArn"])


def main() -> None:
    """Print one line per concurrency."""
    with tempfile.TemporaryDirectory() as folder, stand_in_with_model("--import-seconds", "0") as aws:
        model = imported_model(aws)
        client = aws.client("bedrock-runtime", config=RUNTIME)
        aws.script("fixed-answer", text="yes", latency_seconds=LATENCY_SECONDS)
        for concurrency in CONCURRENCIES:
            rate, most = answers_per_second(client, model, concurrency, Path(folder)), concurrency / LATENCY_SECONDS
            print(f"{concurrency:3} at a time: {rate:6.1f} answers/s of {most:6.1f}: {rate / most:.3f}", flush=True)


if __name__ == "__main__":
    main()
