"""``torchrun ... -m include.training.container.train --config settings.json``: trains an adapter.

Without torchrun it runs in one process. Inputs and outputs are in the folders of a SageMaker job, below /opt/ml or
below the folder that ML_ROOT names. docs/training-script.md describes settings and files.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from include.training.container.adapter_model import add_adapter, place, trained_parameters
from include.training.container.base_model import check_base, load_base
from include.training.container.batches import StepPlan, plan_steps
from include.training.container.checkpoints import write_checkpoint
from include.training.container.errors import ExamplesFileError, MemoryExhaustedError, TrainingError
from include.training.container.examples import Examples, check_digest, check_examples, read_examples
from include.training.container.failure import write_failure
from include.training.container.folders import Folders
from include.training.container.processes import Processes, joined_processes
from include.training.container.results import gathered_adapter, training_card, write_results
from include.training.container.settings import Settings, read_settings
from include.training.container.stopping import STOPPED_EXIT_CODE
from include.training.container.training import Training
from include.training.container.training_state import capture, resume


class Inputs(NamedTuple):
    """What a training is made of, checked."""

    settings: Settings
    train: Examples
    held_out: Examples | None
    plan: StepPlan

    def identity(self) -> dict[str, Any]:
        """Return what a checkpoint must have been made from to be resumed."""
        held_out = self.held_out.digest if self.held_out else None
        return {**self.settings.as_json(), "train_digest": self.train.digest, "held_out_digest": held_out}


def read_inputs(folders: Folders, config: Path) -> Inputs:
    """Return the inputs of a job, or raise what is wrong with them before any work."""
    settings = read_settings(config)
    vocabulary = int(check_base(folders.channel("model"), settings)["vocab_size"])
    train = read_examples(folders.train)
    check_digest(train, settings)
    held_out = read_examples(folders.held_out) if folders.held_out.parent.exists() else None
    for examples in filter(None, (train, held_out)):
        check_examples(examples, settings, vocabulary)
    if not (folders.tokenizer / "tokenizer_config.json").is_file():
        raise ExamplesFileError(str(folders.tokenizer), "the tokenizer's files, beside the examples", "none")
    return Inputs(settings, train, held_out, plan_steps(train.lengths, settings))


def train(folders: Folders, inputs: Inputs, processes: Processes) -> bool:
    """Train, or go on with a training, and write its results; False when the job has to stop before the end."""
    settings = inputs.settings
    base = load_base(folders.channel("model"), settings, processes.device)
    model = place(add_adapter(base, settings), settings, processes)
    parameters = trained_parameters(model)
    optimizer = torch.optim.AdamW(parameters.values(), lr=settings.learning_rate, weight_decay=0.0)
    history, damaged = resume(folders.checkpoints, model, optimizer, inputs.identity(), processes)

    def save() -> None:
        checkpoint = capture(model, optimizer, history, inputs.identity())
        if processes.is_first:
            path = write_checkpoint(folders.checkpoints, checkpoint)
            print(f"Wrote checkpoint {path.name}, {path.stat().st_size / 2**20:.1f} MiB", flush=True)

    if processes.is_first:
        _print_beginning(inputs, processes, sum(each.numel() for each in parameters.values()))
        print("".join(f"Passed over a damaged checkpoint, {line}\n" for line in damaged), end="")
        print(f"Begins after step {len(history.train)} of {len(inputs.plan)}", flush=True)
    training = Training(
        settings, processes, model, optimizer, inputs.train, inputs.held_out, inputs.plan, history, save
    )
    if not training.run():
        return False
    adapter = gathered_adapter(model)
    if processes.is_first:
        card = training_card(history, **_facts(inputs, processes))
        write_results(folders.model, model, adapter, folders.tokenizer, card)
        print(f"Peak memory of the first process: {card['peak_memory_gib']} GiB")
        print(f"Wrote the adapter to {folders.model}", flush=True)
    return True


def _print_beginning(inputs: Inputs, processes: Processes, trained: int) -> None:
    held_out = f"{len(inputs.held_out)} examples held out" if inputs.held_out else "no examples held out"
    print(
        f"Trains {trained} weights by {inputs.settings.method} on {processes.world} {processes.device.type} "
        f"processes: {len(inputs.train)} examples, {len(inputs.train.tokens)} tokens, {held_out}"
    )


def _facts(inputs: Inputs, processes: Processes) -> dict[str, Any]:
    cuda = processes.device.type == "cuda"
    return {
        "data": {
            "digest": inputs.settings.data_digest or inputs.train.digest,
            "examples": len(inputs.train),
            "tokens": len(inputs.train.tokens),
            "trained_tokens": int(inputs.train.targets.sum()),
            "held_out_digest": inputs.held_out.digest if inputs.held_out else None,
            "held_out_examples": len(inputs.held_out) if inputs.held_out else 0,
        },
        "base": {"name": inputs.settings.base_name, "digest": inputs.settings.base_digest},
        "settings": inputs.settings.as_json(),
        "processes": processes.world,
        "device": torch.cuda.get_device_name(processes.device) if cuda else "cpu",
        "peak_memory_gib": round(processes.peak_memory() / 2**30, 3),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a job and return its exit code: 0, 1 after a failure, 143 when SIGTERM stopped it."""
    parser = argparse.ArgumentParser(prog="python -m include.training.container.train", description=__doc__)
    parser.add_argument("--config", type=Path, help="the settings file (default: settings.json in the code channel)")
    config = parser.parse_args(arguments).config
    folders = Folders.of_this_job()
    started = time.monotonic()
    if os.environ.get("RANK", "0") == "0":
        folders.failure.unlink(missing_ok=True)  # of an earlier attempt
    try:
        inputs = read_inputs(folders, config or folders.settings)
        with joined_processes() as processes:
            finished = train(folders, inputs, processes)
            if processes.is_first:
                print(f"{'Finished' if finished else 'Stopped'} after {time.monotonic() - started:.1f} s", flush=True)
    except torch.OutOfMemoryError as error:
        return _fail(folders, MemoryExhaustedError(str(error)))
    except TrainingError as error:
        return _fail(folders, error)
    except Exception as error:
        traceback.print_exc()
        return _fail(folders, error)
    return 0 if finished else STOPPED_EXIT_CODE


def _fail(folders: Folders, error: Exception) -> int:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    write_failure(folders.failure, error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
