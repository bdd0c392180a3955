"""Workers that share nothing but S3: each has a home of its own, which the others never see."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import save_file

from include.aws.s3_uri import S3Uri, is_s3_uri
from include.config.model import parse_model_config
from include.run.inputs import describe_inputs
from include.run.plan import ImportPlan
from include.run.workspace import run_workspace
from include.steps.prepare import BASE, MERGED
from tests.support.cloud_sources import BUCKET, DEMO, Cloud, model_values
from tests.support.plans import import_plan

ROOT = f"s3://{BUCKET}/workspaces/of-the-tests"
DAG = "import_capitals"


class Workers:
    """Each step runs on a new worker; what one had on its disk is gone when the next one starts."""

    def __init__(self, cloud: Cloud, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.cloud, self._folder, self._patch = cloud, folder, patch
        self._numbers = itertools.count(1)
        self._home = folder

    def plan(self, base: str, adapter: str | None, dtype: str = "keep", run_id: str = "run") -> ImportPlan:
        """The plan of a run whose workspace is in S3."""
        values = model_values(base, adapter, dtype, ROOT, self._folder.parent)
        self.next()
        config = parse_model_config(values, "a test")
        digest = describe_inputs(config, self.cloud.s3, self.cloud.sagemaker).fingerprint
        name = f"{self._folder.name}-{run_id}"
        place = f"{BUCKET}/imports-{self._folder.name}/{name}"
        workspace = run_workspace(ROOT, DAG, name)
        tags = {"dag_run_id": name}
        return import_plan(values, digest, place, workspace, delivered=False, checkpoint_bytes=0, tags=tags)

    def next(self) -> Path:
        """Let the following steps run on a new worker; return its home."""
        if self._home != self._folder:
            shutil.rmtree(self._home, ignore_errors=True)
        self._home = self._folder / f"worker-{next(self._numbers)}"
        self._home.mkdir()
        self._patch.setenv("AIRFLOW_HOME", str(self._home))
        return self._home

    def run(self, step: Callable[..., Any], plan: ImportPlan) -> Any:
        """Run a step on a new worker, and see that its disk has nothing of the run afterwards."""
        home = self.next()
        try:
            return step(plan, self.cloud.s3, self.cloud.sagemaker)
        finally:
            assert files_of_runs(home) == []


def run_id_of(plan: ImportPlan) -> str:
    """The run of a plan."""
    return plan.tags["dag_run_id"]


def files_of_runs(home: Path) -> list[Path]:
    """The files of runs on a worker's disk: all but the cache."""
    found = (home / "model-import-workspace").rglob("*")
    return [path for path in found if path.is_file() and "cache" not in path.parts]


def places_in(cloud: Cloud, plan: ImportPlan) -> set[str]:
    """Every place that the saved checkpoints of a run name."""
    found: set[str] = set()
    for name in (BASE, MERGED):
        if saved := plan.files.read(name, cloud.s3):
            checkpoint = json.loads(saved)
            found |= {segment["uri"] for file in checkpoint["files"] for segment in file["segments"]}
            found |= {pin["uri"] for pin in checkpoint["pins"]}
    return found


def local_places_in(cloud: Cloud, plan: ImportPlan) -> list[str]:
    """Those of them that are on a worker's disk."""
    return [place for place in places_in(cloud, plan) if not is_s3_uri(place)]


def keys_in(cloud: Cloud, plan: ImportPlan) -> list[str]:
    """The keys in the run's workspace."""
    listed = cloud.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{S3Uri.parse(plan.workspace).key}/")
    return [item["Key"] for item in listed.get("Contents", ())]


class WriteRefusedError(Exception):
    """Raised in place of a request to S3, as if the process had died there."""


class Requests(NamedTuple):
    """What a client has written: the operations, and the bytes of their bodies."""

    writes: list[str]
    sent: list[int]


@contextmanager
def watched(s3: Any, below: str = "", fails_at: int | None = None) -> Iterator[Requests]:
    """Watch a client's writes of keys below a prefix; the one with the number ``fails_at`` does not reach S3."""
    seen = Requests([], [])

    def before(request: Any, event_name: str, **_: Any) -> None:
        if request.method in ("GET", "HEAD") or below not in request.url:
            return
        if len(seen.writes) == fails_at:
            raise WriteRefusedError(event_name)
        seen.writes.append(event_name.rpartition(".")[2])
        seen.sent.append(int(request.headers.get("Content-Length", 0)))

    s3.meta.events.register("before-send.s3", before)
    try:
        yield seen
    finally:
        s3.meta.events.unregister("before-send.s3", before)


def save_large_model(folder: Path) -> Path:
    """The demo's model with one layer of matrices that S3 can copy: q and o of 8 MiB, k and v of 2, the others of 6."""
    base = folder / "large-base"
    shutil.copytree(DEMO / "base", base)
    config = json.loads((base / "config.json").read_bytes())
    config |= {"hidden_size": 2048, "intermediate_size": 1536, "num_hidden_layers": 1, "head_dim": 128}
    config |= {"num_attention_heads": 16, "num_key_value_heads": 4, "torch_dtype": "bfloat16"}
    (base / "config.json").write_text(json.dumps(config))
    vocabulary, layer = config["vocab_size"], "model.layers.0"
    shapes = {
        "lm_head.weight": (vocabulary, 2048),
        "model.embed_tokens.weight": (vocabulary, 2048),
        "model.norm.weight": (2048,),
        f"{layer}.input_layernorm.weight": (2048,),
        f"{layer}.post_attention_layernorm.weight": (2048,),
        f"{layer}.mlp.down_proj.weight": (2048, 1536),
        f"{layer}.mlp.gate_proj.weight": (1536, 2048),
        f"{layer}.mlp.up_proj.weight": (1536, 2048),
        **{f"{layer}.self_attn.{name}_proj.weight": (2048, 2048) for name in "qo"},
        **{f"{layer}.self_attn.{name}_proj.weight": (512, 2048) for name in "kv"},
    }
    random = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=random).to(torch.bfloat16) for name, shape in shapes.items()}
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    return base


def save_large_adapter(folder: Path, modules: str) -> Path:
    """A LoRA of rank 4 on these of the large model's q, k and v."""
    adapter = folder / f"large-adapter-{modules}"
    adapter.mkdir()
    names = [f"{module}_proj" for module in modules]
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": names}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    random = torch.Generator().manual_seed(len(modules))  # no two adapters change a matrix alike
    matrices = {}
    for name in names:
        at = f"base_model.model.model.layers.0.self_attn.{name}.lora"
        matrices[f"{at}_A.weight"] = torch.randn((4, 2048), generator=random)
        matrices[f"{at}_B.weight"] = torch.randn((2048 if name == "q_proj" else 512, 4), generator=random)
    save_file(matrices, adapter / "adapter_model.safetensors")
    return adapter
