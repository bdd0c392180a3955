"""Print the demo's summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from include.aws.s3_uri import S3Uri
from include.config.model import ModelConfig
from include.demo.airflow_server import USER
from include.demo.environment import Environment, aws_client
from include.demo.inventory import Inventory
from include.evaluation.responses import read_answer
from include.run.workspace import PROJECT_ROOT

EXAMPLE = """airflow dags trigger import_capitals --conf '{"adapter": "include/demo/adapters/early"}'"""
QUESTION = "Give the name of the capital city of Portugal."


class Outcome(NamedTuple):
    """The result of a demo run."""

    results: Mapping[str, Any]
    base_scores: Mapping[str, float]
    before: Inventory
    after: Inventory
    answer: str
    champion: int | None
    report: Path


def ask(environment: Environment, config: ModelConfig, results: Mapping[str, Any]) -> str:
    """Return the imported model's answer to one question, asked through boto3 as in an application."""
    prompt, longest = config.evaluation.prompt_template.format(question=QUESTION), config.evaluation.max_tokens
    body = json.dumps({"prompt": prompt, "max_tokens": longest, "temperature": 0})
    runtime = aws_client(environment.aws_endpoint, "bedrock-runtime")
    imported = _found(results, "wait_for_import")
    response = runtime.invoke_model(modelId=imported["imported_model_arn"], body=body)
    return read_answer(json.loads(response["body"].read())).text


def save_report(environment: Environment, results: Mapping[str, Any]) -> Path:
    """Save a copy of the version's report beside the demo's logs, and return its path."""
    report = S3Uri.parse(_found(results, "write_report")["report_html_uri"])
    path = Path(environment.folder) / "report.html"
    path.write_bytes(aws_client(environment.aws_endpoint, "s3").get_object(**report.arguments)["Body"].read())
    return path


def _found(results: Mapping[str, Any], task_id: str) -> Mapping[str, Any]:
    """Return the result of a task, or what a run found that had nothing to do and skipped the task."""
    found: Mapping[str, Any] = results["decide_import"]["unchanged"] or results[task_id]
    return found


def _facts(outcome: Outcome) -> dict[str, str]:
    results = outcome.results
    imported, version = _found(results, "wait_for_import"), _found(results, "register_version")
    return {
        "Checkpoint": _found(results, "upload_checkpoint")["s3_uri"],
        "Bytes uploaded": f"{results.get('upload_checkpoint', {'bytes_sent': 0})['bytes_sent']:,}",
        "Import job": imported["job_arn"],
        "Imported model": imported["imported_model_arn"],
        "Cold start": _cold_start(results),
        "Registry": f"version {version['version']}, {version['status']}",
        "Decision": _decision(results),
        "Champion": f"version {outcome.champion}" if outcome.champion else "none",
        "Report": str(outcome.report),
    }


def _decision(results: Mapping[str, Any]) -> str:
    if results["decide_import"]["unchanged"]:
        return str(results["decide_import"]["reason"])
    return "; ".join(results["decide_promotion"]["reasons"])


def _cold_start(results: Mapping[str, Any]) -> str:
    warm_up = results.get("warm_up")  # skipped where the version is registered: its answers are stored
    return f"{warm_up['cold_start_seconds']:.1f} s" if warm_up else "not measured: this version was evaluated before"


def _made(before: Inventory, after: Inventory) -> str:
    if before == after:
        return "Nothing was created (no import job, no object, no version): the run found what was imported before."
    made = zip(after._fields, before, after, strict=True)
    return "Created by this run: " + ", ".join(f"{name.replace('_', ' ')} {now - then}" for name, then, now in made)


def _scores(outcome: Outcome) -> Table:
    table = Table("metric", "base model", "imported model", title="Mean scores on questions in unseen wordings")
    for metric, score in _found(outcome.results, "evaluate_model")["scores"].items():
        base = outcome.base_scores.get(metric)
        table.add_row(metric, "" if base is None else f"{base:.3f}", f"{score:.3f}")
    return table


def show_summary(outcome: Outcome, console: Console) -> None:
    """Print the imported model, its scores and some answers."""
    console.print()
    for name, value in _facts(outcome).items():
        console.print(f"[b]{name:<15}[/] {value}")
    console.print()
    console.print(_scores(outcome))
    console.print(f"\nQ: {QUESTION}\nA: [b]{outcome.answer.strip()}[/]\n")
    console.print(_made(outcome.before, outcome.after))


def show_next_steps(environment: Environment, console: Console) -> None:
    """Print Airflow's address, the file to source, and how to stop everything."""
    shell_file = environment.shell_file.relative_to(PROJECT_ROOT)
    console.print(f"Airflow         {environment.ui_url}, user [b]{USER}[/], password [b]{environment.password}[/]")
    console.print(f"In a shell      [b]source {shell_file}[/]")
    console.print(f"Then            [b]{EXAMPLE}[/]")
    console.print("Stop it all     [b]make down[/]")
