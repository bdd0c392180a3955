"""The product's Airflow DAGs for fine-tunes of the demo's base, with pauses of seconds.

The DAG ``fine_tune_handed`` trains a few steps. The jobs of the others run a line of bash in the script's place: what
a training does when it is killed is in tests/long/training, what a DAG does here.
"""

from __future__ import annotations

import json
from typing import Any

from airflow.sdk import DAG, get_parsing_context

from include.config.model import parse_model_config
from include.config.names import fine_tune_dag_id, import_dag_id
from include.training import job_request
from model_import_dag.factory import Waits, build_import_dag
from model_import_dag.fine_tune import TrainingWaits, build_fine_tune_dag

TRAINING_WAITS = TrainingWaits(first_poll=2, longest_poll=3, longest_pause=3, retry_delay=3)
IMPORT_WAITS = Waits(first_poll=2, longest_poll=3, slot_poll=3, retry_delay=3)
#: Works as many seconds as it is given processes, only once for each checkpoint; with 13 it fails.
WORK = (
    r"""n=${SM_HPS##*processes\": \"};n=${n%%\"*};f=$ML_ROOT/checkpoints/c;"""
    r"""[ -e $f ]||{ touch $f;sleep $n;[ $n = 13 ]&&exit 1;};echo "$0">$SM_MODEL_DIR/training_card.json"""
)
CARD = {
    "steps": 1,
    "seconds": 1,
    "settings": {"epochs": 1},
    "versions": {},
    "data": {"tokens": 9},
    "losses": {"train": [], "held_out": []},
}
#: In a scenario, the seed makes another content.
OPEN = [f"training.{field}" for field in ("seed", "data", "job.instance_type", "job.processes", "job.stop_on_kill")]
TRAINING: dict[str, Any] = {
    "data": "include/demo/capitals_train.jsonl",
    "format": "prompt_completion",
    "held_out": 0.05,
    "max_sequence_length": 64,
    "method": "lora",
    "lora": {"r": 4, "alpha": 8},
    "epochs": 0.2,
    "learning_rate": 0.003,
    "batch_tokens": 1024,
    "job": {"processes": 3},
}
MODEL: dict[str, Any] = {
    "base": "include/demo/base",
    "evaluation": {
        "dataset": "include/demo/capitals_eval.jsonl",
        "prompt_template": "[INST] {question} [/INST]",
        "sample": 4,
        "max_tokens": 8,
        "thresholds": {"f1": 0},
    },
    "run_may_change": OPEN,
}
#: One whose import waits for its fine-tunes, one that only trains, and two that do not come to it.
MODELS: dict[str, dict[str, Any]] = {
    "handed": {"schedule": {"fine_tune": True}, "training": {**TRAINING, "job": {"processes": 1}}},
    "trained": {"training": TRAINING},
    "refusing": {"training": TRAINING},
    "asked-otherwise": {
        "training": TRAINING,
        "evaluation": {**MODEL["evaluation"], "prompt_template": "Human: {question}"},
    },
}


def _dags() -> dict[str, DAG]:
    wanted = get_parsing_context().dag_id
    if wanted != fine_tune_dag_id("handed"):
        job_request.ENTRYPOINT = (WORK, json.dumps(CARD))
    found: dict[str, DAG] = {}
    for name, values in MODELS.items():
        config = parse_model_config({"model_name": name, **MODEL, **values}, "a test")
        if wanted in (None, fine_tune_dag_id(name)):
            found[fine_tune_dag_id(name)] = build_fine_tune_dag(config, TRAINING_WAITS)
        if name == "handed" and wanted in (None, import_dag_id(name)):
            found[import_dag_id(name)] = build_import_dag(import_dag_id(name), config, IMPORT_WAITS)
    return found


globals().update(_dags())
