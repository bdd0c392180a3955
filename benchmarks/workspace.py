"""A run's steps with a workspace that is a folder, and with one in S3: bytes sent, read and copied, disk and time.

The base has Mistral-7B's shapes, the adapter changes q and v. Prints one row of a table per case.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.delivery_run import s3_client
from benchmarks.delivery_shapes import write_adapter, write_base
from benchmarks.servers import stand_in
from include.config.model import parse_model_config
from include.run.inputs import describe_inputs
from include.run.plan import ImportPlan
from include.run.workspace import run_workspace
from include.steps.deliver import deliver
from include.steps.prepare import merge, prepare_base

BUCKET = "models"
STEPS: tuple[Callable[[ImportPlan, Any, Any], Any], ...] = (prepare_base, merge, deliver)


class Traffic:
    """What a client sends to S3 and receives from it, in bytes, and what S3 copies on its behalf."""

    def __init__(self, client: Any) -> None:
        self.bytes: Counter[str] = Counter()
        self._lock = threading.Lock()
        client.meta.events.register("before-send.s3", self._sent)
        client.meta.events.register("after-call.s3.GetObject", self._received)
        client.meta.events.register("before-call.s3.UploadPartCopy", self._copied)

    def _count(self, kind: str, number: int) -> None:
        with self._lock:
            self.bytes[kind] += number

    def _sent(self, request: Any, **_: Any) -> None:
        self._count("sent", int(request.headers.get("Content-Length", 0)))

    def _received(self, parsed: Any, **_: Any) -> None:
        self._count("read", int(parsed.get("ContentLength", 0)))

    def _copied(self, params: Any, **_: Any) -> None:
        first, last = params["headers"]["x-amz-copy-source-range"].removeprefix("bytes=").split("-")
        self._count("copied", int(last) - int(first) + 1)


def plan_of(client: Any, name: str, base: str, adapter: str, root: str, work: Path) -> ImportPlan:
    """The plan of a run, as preflight makes it."""
    account = {"bucket": BUCKET, "workspace": root, "local_folders": str(work)}
    values = {"model_name": name, "base": base, "adapter": adapter, "account": account,
              "evaluation": {"dataset": "include/demo/capitals_eval.jsonl"}}  # fmt: skip
    config = parse_model_config(values, "the benchmark")
    content = describe_inputs(config, client, None).fingerprint
    place = f"imports-{name}/{content[:12]}"
    return ImportPlan(
        config=config, content=content, fingerprint=content, region_name="us-east-1", aws_conn_id="aws_default",
        role_arn="", bucket=BUCKET, imported_model_name=name, job_name=name, client_request_token=name,
        s3_uri=f"s3://{BUCKET}/{place}/checkpoint/", manifest_key=f"{place}/manifest.json",
        evaluation_prefix=f"{place}/evaluations", delivered=False, checkpoint_bytes=0,
        workspace=run_workspace(root, f"import_{name}", "run"), tags={},
    )  # fmt: skip


class Disk:
    """The most that is on a disk below a folder, looked at ten times a second."""

    def __init__(self, folder: Path) -> None:
        self.most = 0
        self._folder, self._done = folder, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Disk:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            sizes = (path.stat().st_size for path in self._folder.rglob("*") if path.is_file())
            try:
                self.most = max(self.most, sum(sizes))
            except FileNotFoundError:  # renamed meanwhile
                continue


def measure(client: Any, name: str, base: str, adapter: str, root: str, work: Path) -> str:
    """Run the steps and return a row of the table."""
    home = work / "worker"
    os.environ["AIRFLOW_HOME"] = str(home)
    home.mkdir()
    plan, traffic, seconds = plan_of(client, name, base, adapter, root, work), Traffic(client), []
    with Disk(work / "worker") as disk:
        for step in STEPS:
            started = time.monotonic()
            step(plan, client, None)
            seconds.append(time.monotonic() - started)
    shutil.rmtree(home)
    sent, read, copied = (f"{traffic.bytes[kind] / 1e6:,.1f}" for kind in ("sent", "read", "copied"))
    times = " + ".join(f"{each:.1f}" for each in seconds)
    return f"| {name} | {sent} | {read} | {copied} | {disk.most / 1e6:,.1f} | {times} = {sum(seconds):.1f} |"


def main() -> None:
    """Measure each case once, on a server of its own process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=1, help="layers of the base, 436 MB each; 524 MB are around them")
    layers = parser.parse_args().layers
    with tempfile.TemporaryDirectory() as folder, stand_in() as endpoint_url:
        work = Path(folder)
        write_base(work / "base", layers)
        changed = write_adapter(work / "adapter", layers)
        client = s3_client(endpoint_url)
        client.create_bucket(Bucket=BUCKET)
        for path in (work / "base").iterdir():
            client.upload_file(str(path), BUCKET, f"base/{path.name}", {"ChecksumAlgorithm": "CRC64NVME"})
        print(f"changed: {changed / 1e6:,.1f} MB\n")
        print("| case | sent MB | read MB | copied MB | disk MB | s: prepare + merge + deliver |")
        print("|---|---|---|---|---|---|")
        for where, base in {"in-s3": f"s3://{BUCKET}/base", "in-a-folder": str(work / "base")}.items():
            for kind, root in {"folder": str(work / "worker/shared"), "s3": f"s3://{BUCKET}/working"}.items():
                fresh = s3_client(endpoint_url)
                print(measure(fresh, f"base-{where}-workspace-{kind}", base, str(work / "adapter"), root, work))


if __name__ == "__main__":
    main()
