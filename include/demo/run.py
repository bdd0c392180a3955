"""``make demo``: run the demo model's DAG end to end on this machine and show the result.

``--fine-tune`` (``make demo-fine-tune``) trains the adapter first; ``--down`` (``make down``) stops everything.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from rich.console import Console

from include.config.files import read_model_file
from include.config.model import ModelConfig
from include.demo.base_score import base_scores
from include.demo.environment import DemoEnvironment, Environment, training_packages
from include.demo.fine_tune import FineTuned, check_qlora, fine_tune, import_of, show_training
from include.demo.inventory import Inventory, champion_version, take_inventory
from include.demo.run_view import RunFailedError, follow_run
from include.demo.summary import Outcome, ask, save_report, show_next_steps, show_summary
from include.errors import ModelImportError
from include.run.workspace import PROJECT_ROOT

FOLDER = PROJECT_ROOT / ".demo"
DAG_ID = "import_capitals"
MODEL_FILE = PROJECT_ROOT / "dags" / "models" / "capitals.yaml"
ADAPTERS = Path("include/demo/adapters")


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m include.demo.run", description=__doc__)
    names = sorted(path.name for path in (PROJECT_ROOT / ADAPTERS).iterdir() if path.is_dir())
    parser.add_argument("--adapter", choices=names, default="finished", help="which adapter to merge and import")
    parser.add_argument("--fine-tune", action="store_true", help="train the adapter first, and import that")
    parser.add_argument("--qlora", action="store_true", help="with --fine-tune: QLoRA in two processes")
    parser.add_argument("--down", action="store_true", help="stop everything that the demo started")
    return parser.parse_args(argv)


def _environment(demo: DemoEnvironment, console: Console) -> Environment:
    if found := demo.running():
        console.print(f"Airflow and the stand-in for AWS are up already: {found.ui_url}")
        return found
    console.print("Starting the stand-in for AWS and Airflow (API server, scheduler, DAG processor, triggerer) …")
    began = time.monotonic()
    environment, notes = demo.start()
    for note in notes:
        console.print(f"[yellow]{note}[/]")
    environment.airflow.wait_until_ready(DAG_ID, demo.group)
    console.print(f"Ready after {time.monotonic() - began:.0f} s. Airflow's UI: {environment.ui_url}")
    return environment


class Done(NamedTuple):
    """The XCom values of an import's tasks, the inventory before and after it, and the fine-tune that led to it."""

    results: dict[str, Any]
    before: Inventory
    after: Inventory
    tuned: FineTuned | None = None


def _import(environment: Environment, adapter: str, console: Console) -> Done:
    before = take_inventory(environment)
    airflow = environment.airflow
    airflow.log_in()
    run_id = airflow.trigger(DAG_ID, {"adapter": str(ADAPTERS / adapter)})
    console.print(f"Triggered {DAG_ID} with adapter [b]{adapter}[/]: {environment.ui_url}/dags/{DAG_ID}/runs/{run_id}")
    results = follow_run(airflow, DAG_ID, run_id, console)
    return Done(results, before, take_inventory(environment))


def _fine_tune_and_import(environment: Environment, qlora: bool, console: Console) -> Done:
    before = take_inventory(environment)
    tuned = fine_tune(environment, qlora, console)
    airflow = environment.airflow
    airflow.log_in()
    run_id = import_of(airflow, DAG_ID, tuned.adapter)
    started = "has started" if "hand_over" in tuned.results else "had started before"
    console.print(f"The fine-tune {started} {DAG_ID}: {environment.ui_url}/dags/{DAG_ID}/runs/{run_id}")
    results = follow_run(airflow, DAG_ID, run_id, console)
    return Done(results, before, take_inventory(environment), tuned)


def _demonstrate(demo: DemoEnvironment, arguments: argparse.Namespace, config: ModelConfig, console: Console) -> None:
    if arguments.qlora:
        check_qlora(training_packages())
    began = time.monotonic()
    with ProcessPoolExecutor(1, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        environment = _environment(demo, console)
        base: Future[dict[str, float]] = pool.submit(base_scores, config)  # beside the run, which mostly waits
        if arguments.qlora:
            check_qlora(environment.packages)  # it may have been started without them
        if arguments.fine_tune:
            done = _fine_tune_and_import(environment, arguments.qlora, console)
        else:
            done = _import(environment, arguments.adapter, console)
        outcome = Outcome(
            results=done.results,
            base_scores=base.result(),
            before=done.before,
            after=done.after,
            champion=champion_version(environment, config.model_name),
            answer=ask(environment, config, done.results),
            report=save_report(environment, done.results),
        )
    if done.tuned:
        show_training(done.tuned, console)
    show_summary(outcome, console)
    console.print(f"\nDone in {time.monotonic() - began:.0f} s; everything stays up.")
    show_next_steps(environment, console)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop(demo: DemoEnvironment, console: Console) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
    names = demo.stop()
    console.print(f"Stopped {', '.join(names)}." if names else "Nothing of the demo was running.")


def main(argv: list[str]) -> int:
    """Run the command line and return the exit code: 0 done, 1 failed, 130 interrupted."""
    arguments = _arguments(argv)
    console = Console(highlight=False, soft_wrap=True)
    demo = DemoEnvironment(FOLDER)
    if arguments.down:
        _stop(demo, console)
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _demonstrate(demo, arguments, read_model_file(MODEL_FILE), console)
    except KeyboardInterrupt:
        console.print("\nInterrupted.")
        _stop(demo, console)
        return 130
    except RunFailedError as error:
        console.print(f"\n[red]{error}[/]\nEverything stays up, so that you can look.")
        if environment := demo.running():
            show_next_steps(environment, console)
        return 1
    except ModelImportError as error:
        console.print(f"\n[red]{error}[/]")
        _stop(demo, console)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
