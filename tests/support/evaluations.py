"""Plans whose model is evaluated on the stand-in, and an evaluation that notes what it asks."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from botocore.config import Config

from include.aws.clients import AwsClients
from include.run.plan import ImportPlan
from include.run.workspace import PROJECT_ROOT
from include.steps.evaluate import measure
from include.steps.results import EvaluationResult
from tests.support.bedrock_stand_in import BUCKET, Aws
from tests.support.plans import import_plan

DEMO = PROJECT_ROOT / "include" / "demo"
RUNTIME = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
CONCURRENCY = 8
CAPITALS: dict[str, Any] = {
    "dataset": "include/demo/capitals_eval.jsonl",
    "prompt_template": "[INST] {question} [/INST]",
    "max_tokens": 16,
}


def plan_in(folder: Path, **evaluation: Any) -> ImportPlan:
    """A plan whose evaluation differs from the demo's in what is given, with a place of its own for its report."""
    values = {"model_name": "capitals", "base": "include/demo/base", "evaluation": CAPITALS | evaluation}
    values["account"] = {"workspace": str(folder), "local_folders": str(folder.parent)}
    return import_plan(
        values, "0" * 64, f"{BUCKET}/{folder.name}", folder, s3_uri=f"s3://{BUCKET}/early/", checkpoint_bytes=0, tags={}
    )


class CountingRuntime:
    """A runtime client that notes what is asked, in a file that outlives the process."""

    def __init__(self, client: Any, path: Path) -> None:
        self._client, self._lock = client, threading.Lock()
        self._file = path.open("a")

    def invoke_model(self, **request: Any) -> Any:
        with self._lock:
            self._file.write(json.loads(request["body"])["prompt"] + "\n")
            self._file.flush()
        return self._client.invoke_model(**request)


def measure_counted(aws: Aws, model: str, folder: Path, dataset: str) -> EvaluationResult:
    runtime = CountingRuntime(aws.client("bedrock-runtime", config=RUNTIME), folder / "asked")
    settings = {"dataset": dataset, "prompt_template": "{question}", "concurrency": CONCURRENCY}
    clients = AwsClients(lambda name: runtime if name == "bedrock-runtime" else aws.client(name))
    return measure(plan_in(folder, **settings), model, clients)
