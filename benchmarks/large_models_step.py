"""One step of a large model's run in a process of its own, as Airflow runs tasks: prints figures as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.delivery_run import BUCKET, peak_mib, s3_client
from benchmarks.large_models_shapes import MODELS
from include.checkpoint.checks.transformers_process import TRANSFORMERS_PROCESS
from include.config.model import parse_model_config
from include.run.inputs import describe_inputs
from include.run.plan import ImportPlan
from include.steps import prepare
from include.steps.deliver import deliver

ROLE = "arn:aws:iam::123456789012:role/import"


def describe(s3: Any, work: Path, model: str, variant: str) -> dict[str, Any]:
    """Describe the inputs, and write the plan for the other steps: what preflight does with the sources."""
    values = {
        "model_name": model,
        "base": f"s3://{BUCKET}/base/{model}",
        "adapter": f"s3://{BUCKET}/adapter/{model}" if variant == "adapter" else None,
        "evaluation": {"dataset": "unused.jsonl"},
        "account": {"workspace": str(work)},
    }
    config = parse_model_config(values, "the benchmark")
    inputs = describe_inputs(config, s3, None)
    size = sum(file.size for file in inputs.base.files)
    save_plan(work, _plan(config, inputs.fingerprint, variant, size, work))
    return {"bytes": size, "files": len(inputs.base.files)}


def _plan(config: Any, fingerprint: str, variant: str, size: int, work: Path) -> ImportPlan:
    root = f"imports/{config.model_name}/{variant}"
    return ImportPlan(
        config=config,
        content=fingerprint,
        fingerprint=fingerprint,
        region_name="us-east-1",
        aws_conn_id="aws_default",
        role_arn=ROLE,
        bucket=BUCKET,
        imported_model_name=config.model_name,
        job_name=config.model_name,
        client_request_token=config.model_name,
        s3_uri=f"s3://{BUCKET}/{root}/checkpoint/",
        manifest_key=f"{root}/manifest.json",
        evaluation_prefix=f"{root}/evaluations",
        delivered=False,
        checkpoint_bytes=size,
        workspace=str(work / variant),
        tags={},
    )


def save_plan(work: Path, plan: ImportPlan) -> None:
    Path(plan.workspace).mkdir(parents=True, exist_ok=True)
    (work / "plan.json").write_text(plan.model_dump_json())


def forced(plan: ImportPlan, s3: Any) -> dict[str, Any]:
    """Deliver the same content to another prefix, as a forced run does."""
    other = {
        "s3_uri": plan.s3_uri.replace("/checkpoint/", "-again/checkpoint/"),
        "manifest_key": plan.manifest_key.replace("/manifest", "-again/manifest"),
    }
    return deliver(plan.model_copy(update=other), s3, None).model_dump()


def validate(plan: ImportPlan, s3: Any) -> dict[str, Any]:
    """Validate, and wait for the process that holds transformers: its memory and time count."""
    report = prepare.validate(plan, s3, None)
    TRANSFORMERS_PROCESS.close()
    return {"summary": report.summary, "child_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def cpu_seconds() -> float:
    """Return the processor time of this process and of those it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(it.ru_utime + it.ru_stime for it in used)


STEPS: dict[str, Callable[[ImportPlan, Any], dict[str, Any]]] = {
    "prepare": lambda plan, s3: prepare.prepare_base(plan, s3, None).model_dump(),
    "merge": lambda plan, s3: {"bytes": prepare.merge(plan, s3, None).bytes, "disk": _size(Path(plan.workspace))},
    "validate": validate,
    "deliver": lambda plan, s3: deliver(plan, s3, None).model_dump(),
    "again": lambda plan, s3: deliver(plan, s3, None).model_dump(),
    "forced": forced,
}


def main() -> None:
    step, endpoint_url, folder, model, variant = sys.argv[1:]
    s3, work = s3_client(endpoint_url), Path(folder)
    started = time.monotonic()
    if step == "describe":
        result = describe(s3, work, model, variant)
    elif step == "plan":
        from benchmarks.large_models_plan import plan_everything  # torch would count in the other steps

        result = plan_everything(MODELS[model], work)
    else:
        result = STEPS[step](ImportPlan.model_validate_json((work / "plan.json").read_text()), s3)
    print(json.dumps({**result, "seconds": time.monotonic() - started, "mib": peak_mib(), "cpu": cpu_seconds()}))


if __name__ == "__main__":
    main()
